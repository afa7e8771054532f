#include "formats/vpc/parent_name.h"

#include "formats/base/windows_path.h"

namespace instar::vpc {
namespace {

constexpr std::uint32_t kRelativeUtf16 = 0x57327275;  // "W2ru"
constexpr std::uint32_t kAbsoluteUtf16 = 0x57326B75;  // "W2ku"
constexpr std::uint32_t kMaxNameBytes = 8192;         // as UTF-16

Result<std::vector<char>> Plain(std::span<const std::byte> utf16, std::endian order) {
  const auto name = Utf8FromUtf16(utf16, order);
  if (!name) return Corrupt("the name of the parent disk is not valid UTF-16");
  return PlainPath(*name);
}

}  // namespace

Result<std::vector<char>> ReadParentName(const BlockDevice& device, const DynamicHeader& header) {
  for (const std::uint32_t platform : {kRelativeUtf16, kAbsoluteUtf16}) {
    for (const ParentLocator& locator : header.parent_locators) {
      if (locator.platform != platform || locator.name_bytes == 0) continue;
      if (locator.name_bytes > kMaxNameBytes) {
        return OverLimit("the name of the parent disk has {0} bytes, more than {1}",
                         locator.name_bytes, kMaxNameBytes);
      }
      if (!RangeFits(locator.name_offset, locator.name_bytes, device.size_bytes())) {
        return Corrupt("the name of the parent disk at {0x} lies beyond the end of the file",
                       locator.name_offset);
      }
      std::vector<std::byte> bytes(locator.name_bytes);
      INSTAR_TRY(device.Read(locator.name_offset, bytes));
      INSTAR_ASSIGN_OR_RETURN(std::vector<char> name, Plain(bytes, std::endian::little));
      if (!name.empty()) return name;
    }
  }
  INSTAR_ASSIGN_OR_RETURN(std::vector<char> name, Plain(header.parent_name, std::endian::big));
  if (name.empty()) return Corrupt("a differencing disk does not name its parent");
  return name;
}

}  // namespace instar::vpc
