#include "formats/vpc/dynamic_header.h"

#include <cstring>
#include <string_view>

#include "formats/base/endian.h"

namespace instar::vpc {
namespace {

constexpr std::string_view kCookie = "cxsparse";
constexpr std::uint32_t kVersion = 0x00010000;
constexpr std::size_t kLocatorsAt = 576;
constexpr std::size_t kLocatorBytes = 24;

}  // namespace

Result<DynamicHeader> DynamicHeader::DecodeFrom(std::span<const std::byte> bytes) {
  if (std::memcmp(bytes.data(), kCookie.data(), kCookie.size()) != 0) {
    return Corrupt("there is no dynamic header where the VHD footer says");
  }
  const std::uint32_t checksum = Checksum(bytes.first(kBytes), kChecksumAt);
  if (LoadBe32(bytes, kChecksumAt) != checksum) {
    return Corrupt("the checksum of the dynamic header is {0x}, but its bytes give {1x}",
                   LoadBe32(bytes, kChecksumAt), checksum);
  }
  if (LoadBe32(bytes, 24) >> 16 != kVersion >> 16) {
    return Unsupported("dynamic header version {0x} is not supported", LoadBe32(bytes, 24));
  }
  DynamicHeader header;
  header.table_offset = LoadBe64(bytes, 16);
  header.table_entries = LoadBe32(bytes, 28);
  header.block_bytes = LoadBe32(bytes, 32);
  std::memcpy(header.parent_id.data(), bytes.data() + 40, header.parent_id.size());
  header.parent_timestamp = LoadBe32(bytes, 56);
  std::memcpy(header.parent_name.data(), bytes.data() + 64, header.parent_name.size());
  for (std::size_t i = 0; i < kParentLocators; ++i) {
    const std::size_t at = kLocatorsAt + i * kLocatorBytes;
    header.parent_locators[i] = {.platform = LoadBe32(bytes, at),
                                 .name_bytes = LoadBe32(bytes, at + 8),
                                 .name_offset = LoadBe64(bytes, at + 16)};
  }
  return header;
}

void DynamicHeader::EncodeTo(std::span<std::byte> out) const {
  std::memset(out.data(), 0, kBytes);
  std::memcpy(out.data(), kCookie.data(), kCookie.size());
  StoreBe64(out, 8, kNoOffset);
  StoreBe64(out, 16, table_offset);
  StoreBe32(out, 24, kVersion);
  StoreBe32(out, 28, table_entries);
  StoreBe32(out, 32, block_bytes);
  std::memcpy(out.data() + 40, parent_id.data(), parent_id.size());
  StoreBe32(out, 56, parent_timestamp);
  std::memcpy(out.data() + 64, parent_name.data(), parent_name.size());
  for (std::size_t i = 0; i < kParentLocators; ++i) {
    const std::size_t at = kLocatorsAt + i * kLocatorBytes;
    const ParentLocator& locator = parent_locators[i];
    StoreBe32(out, at, locator.platform);
    StoreBe32(out, at + 4,
              static_cast<std::uint32_t>(DivideRoundUp(locator.name_bytes, kSectorBytes)));
    StoreBe32(out, at + 8, locator.name_bytes);
    StoreBe64(out, at + 16, locator.name_offset);
  }
  StoreBe32(out, kChecksumAt, Checksum(out.first(kBytes), kChecksumAt));
}

Status DynamicHeader::Validate(std::uint64_t virtual_sectors, std::uint64_t file_bytes) const {
  if (!IsPowerOfTwo(block_bytes) || block_bytes < kSectorBytes) {
    return Corrupt("the block size {0} is not a power of two of at least 512 bytes", block_bytes);
  }
  const std::uint64_t blocks = DivideRoundUp(virtual_sectors, block_bytes / kSectorBytes);
  if (table_entries < blocks) {
    return Corrupt("the block allocation table has {0} entries, but the disk has {1} blocks",
                   table_entries, blocks);
  }
  if (!RangeFits(table_offset, blocks * kBatEntryBytes, file_bytes)) {
    return Corrupt(
        "the block allocation table at {0x} with {1} entries reaches beyond the end of "
        "the file ({2x})",
        table_offset, blocks, file_bytes);
  }
  return {};
}

}  // namespace instar::vpc
