#include "formats/vhdx/header.h"

#include <vector>

#include "formats/base/checked.h"
#include "formats/base/crc32c.h"
#include "formats/base/endian.h"

namespace instar::vhdx {
namespace {

constexpr std::size_t kChecksumAt = 4;

Status Validate(const Header& header, std::uint64_t file_bytes) {
  if (header.version != 1) {
    return Unsupported("VHDX version {0} is not supported", header.version);
  }
  if (header.has_log() && header.log_version != 0) {
    return Unsupported("version {0} of the VHDX log is not supported", header.log_version);
  }
  const bool aligned = header.log_offset % kMebibyte == 0 && header.log_bytes % kMebibyte == 0;
  const bool placed = header.log_bytes == 0 || header.log_offset >= kHeaderSectionBytes;
  if (!aligned || !placed || (header.has_log() && header.log_bytes == 0)) {
    return Corrupt("the log of {1} bytes at {0x} is misplaced", header.log_offset,
                   header.log_bytes);
  }
  if (!RangeFits(header.log_offset, header.log_bytes, file_bytes)) {
    return Corrupt("the log of {1} bytes at {0x} reaches beyond the end of the file ({2x})",
                   header.log_offset, header.log_bytes, file_bytes);
  }
  return {};
}

}  // namespace

Result<Header> Header::DecodeFrom(std::span<const std::byte> bytes) {
  if (LoadBe32(bytes, 0) != NumberOf("head")) return Corrupt("there is no VHDX header");
  const std::uint32_t checksum = Crc32cWithout(bytes.first(kBytes), kChecksumAt);
  if (LoadLe32(bytes, kChecksumAt) != checksum) {
    return Corrupt("the checksum of the VHDX header is {0x}, but its bytes give {1x}",
                   LoadLe32(bytes, kChecksumAt), checksum);
  }
  return kHeaderFields.Decode<Header>(bytes);
}

void Header::EncodeTo(std::span<std::byte> out) const {
  kHeaderFields.Encode(*this, out);
  StoreLe32(out, kChecksumAt, Crc32cWithout(out.first(kBytes), kChecksumAt));
}

Result<Header> Header::ReadCurrent(const BlockDevice& device) {
  std::vector<std::byte> bytes(kBytes);
  INSTAR_TRY(device.Read(kHeader1Offset, bytes));
  const auto first = DecodeFrom(bytes);
  INSTAR_TRY(device.Read(kHeader2Offset, bytes));
  const auto second = DecodeFrom(bytes);
  if (!first && !second) return first;
  if (first && second && first->sequence_number == second->sequence_number && *first != *second) {
    return Corrupt("two different VHDX headers have the sequence number {0}",
                   first->sequence_number);
  }
  const bool use_first = first && (!second || first->sequence_number >= second->sequence_number);
  const Header& current = use_first ? *first : *second;
  INSTAR_TRY(Validate(current, device.size_bytes()));
  return current;
}

}  // namespace instar::vhdx
