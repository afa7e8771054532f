#include "formats/vhdx/parent_locator.h"

#include <array>
#include <optional>
#include <string_view>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/windows_path.h"
#include "formats/vhdx/constants.h"

namespace instar::vhdx {
namespace {

constexpr std::size_t kHeaderBytes = 20;
constexpr std::size_t kEntryBytes = 12;

Result<std::vector<char>> TextAt(std::span<const std::byte> item, std::uint32_t offset,
                                 std::uint16_t bytes) {
  if (!RangeFits(offset, bytes, item.size())) {
    return Corrupt("the parent locator has a text at {0x} beyond its end ({1x})", offset,
                   item.size());
  }
  auto text = Utf8FromUtf16(item.subspan(offset, bytes), std::endian::little);
  if (!text) return Corrupt("the parent locator has a text that is not valid UTF-16");
  return *std::move(text);
}

// The GUID as the format writes it: "{83ed0ec3-24c8-49a6-a959-5e4bd1288791}", of either case.
bool IsTextOf(std::span<const char> text, const Guid& guid) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  // The first three groups are little-endian on disk.
  constexpr std::array<std::uint8_t, 16> kOrder = {3, 2, 1,  0,  5,  4,  7,  6,
                                                   8, 9, 10, 11, 12, 13, 14, 15};
  constexpr std::size_t kTextBytes = 38;
  if (text.size() != kTextBytes || text.front() != '{' || text.back() != '}') return false;
  std::size_t at = 1;
  for (std::size_t i = 0; i < kOrder.size(); ++i) {
    if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-') return false;
    const auto byte = static_cast<unsigned>(guid[kOrder[i]]);
    for (const unsigned digit : {byte >> 4, byte & 15}) {
      char c = text[at++];
      if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
      if (c != kDigits[digit]) return false;
    }
  }
  return true;
}

}  // namespace

bool ParentLocator::LinksTo(const Guid& data_write_id) const {
  return IsTextOf(linkage, data_write_id) || IsTextOf(linkage2, data_write_id);
}

Result<ParentLocator> ParentLocator::DecodeFrom(std::span<const std::byte> item) {
  if (item.size() < kHeaderBytes) return Corrupt("the parent locator is cut off");
  if (LoadGuid(item, 0) != kVhdxParent) {
    return Unsupported("the kind of the parent locator is not known");
  }
  const std::uint16_t count = LoadLe16(item, 18);
  if (!RangeFits(kHeaderBytes, std::uint64_t{count} * kEntryBytes, item.size())) {
    return Corrupt("the parent locator has {0} entries, more than fit", count);
  }
  constexpr std::array<std::string_view, 3> kPaths = {"relative_path", "absolute_win32_path",
                                                      "volume_path"};
  std::array<std::vector<char>, kPaths.size()> paths;
  ParentLocator locator;
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = item.subspan(kHeaderBytes + i * kEntryBytes, kEntryBytes);
    INSTAR_ASSIGN_OR_RETURN(const std::vector<char> key,
                            TextAt(item, LoadLe32(entry, 0), LoadLe16(entry, 8)));
    INSTAR_ASSIGN_OR_RETURN(std::vector<char> value,
                            TextAt(item, LoadLe32(entry, 4), LoadLe16(entry, 10)));
    const std::string_view name(key.data(), key.size());
    for (std::size_t path = 0; path < kPaths.size(); ++path) {
      if (name == kPaths[path]) paths[path] = PlainPath(value);
    }
    if (name == "parent_linkage") locator.linkage = std::move(value);
    if (name == "parent_linkage2") locator.linkage2 = std::move(value);
  }
  for (std::vector<char>& path : paths) {
    if (path.empty()) continue;
    locator.name = std::move(path);
    return locator;
  }
  return Corrupt("a differencing disk does not name its parent");
}

}  // namespace instar::vhdx
