#include "formats/vpc/dynamic_header.h"

#include "formats/base/endian.h"

namespace instar::vpc {
namespace {

constexpr std::uint32_t kVersion = 0x00010000;

}  // namespace

Result<DynamicHeader> DynamicHeader::DecodeFrom(std::span<const std::byte> bytes) {
  if (LoadBe64(bytes, 0) != NumberOf("cxsparse")) {
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
  return kDynamicHeaderFields.Decode<DynamicHeader>(bytes);
}

void DynamicHeader::EncodeTo(std::span<std::byte> out) const {
  kDynamicHeaderFields.Encode(*this, out);
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
