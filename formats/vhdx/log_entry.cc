#include "formats/vhdx/log_entry.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::vhdx {
namespace {

constexpr std::uint32_t kEntrySignature = NumberOf("loge");
constexpr std::uint32_t kZeroSignature = NumberOf("zero");
constexpr std::uint32_t kDataSignature = NumberOf("desc");
constexpr std::uint32_t kDataSectorSignature = NumberOf("data");
constexpr std::size_t kDescriptorBytes = kLogDescriptorFields.kBytes;
constexpr std::size_t kWindowBytes = 256 << 10;

}  // namespace

std::uint64_t LogEntryHeader::descriptor_bytes() const {
  return DivideRoundUp(kBytes + std::uint64_t{descriptors} * kDescriptorBytes, kLogSectorBytes) *
         kLogSectorBytes;
}

LogRing::LogRing(const BlockDevice& device, const Header& header)
    : header_(header), window_(device, kWindowBytes), meter_(device) {}

Result<std::span<const std::byte>> LogRing::View(std::uint64_t position, std::size_t length) {
  position %= bytes();
  return window_.View(header_.log_offset + position, length,
                      std::min<std::uint64_t>(kWindowBytes, bytes() - position));
}

Result<bool> LogRing::DescriptorsAgree(std::uint64_t position, const LogEntryHeader& entry) {
  std::uint64_t data_sectors = 0;
  for (std::uint32_t i = 0; i < entry.descriptors; ++i) {
    const std::uint64_t at = LogEntryHeader::kBytes + std::uint64_t{i} * kDescriptorBytes;
    INSTAR_ASSIGN_OR_RETURN(const auto bytes, View(position + at, kDescriptorBytes));
    const auto descriptor = kLogDescriptorFields.Decode<LogDescriptor>(bytes);
    const bool is_data = descriptor.signature == kDataSignature;
    if (!is_data && descriptor.signature != kZeroSignature) return false;
    if (descriptor.sequence_number != entry.sequence_number) return false;
    if (descriptor.file_offset % kLogSectorBytes != 0) return false;
    if (!is_data && descriptor.zero_bytes() % kLogSectorBytes != 0) return false;
    if (is_data) ++data_sectors;
  }
  const std::uint64_t data_at = entry.descriptor_bytes();
  if (entry.entry_bytes != data_at + data_sectors * kLogSectorBytes) return false;
  for (std::uint64_t i = 0; i < data_sectors; ++i) {
    INSTAR_ASSIGN_OR_RETURN(const auto bytes,
                            View(position + data_at + i * kLogSectorBytes, kLogSectorBytes));
    const std::uint64_t sequence_number =
        std::uint64_t{LoadLe32(bytes, 4)} << 32 | LoadLe32(bytes, kLogSectorBytes - 4);
    if (LoadBe32(bytes, 0) != kDataSectorSignature || sequence_number != entry.sequence_number) {
      return false;
    }
  }
  return true;
}

Result<bool> LogRing::ChecksumAgrees(std::uint64_t position, const LogEntryHeader& entry) {
  summed_bytes_ += entry.entry_bytes;
  if (summed_bytes_ > 3 * bytes() + 64 * kMebibyte) {
    return OverLimit("the log has too many broken entries: {0} bytes of it were summed",
                     summed_bytes_);
  }
  // A few headers can claim a log that is as long as a hole of the file.
  INSTAR_TRY(meter_.Charge(entry.entry_bytes));
  constexpr std::array<std::byte, 4> kZeros{};
  crc_.Restart();
  std::uint32_t stored = 0;
  for (std::uint64_t at = 0; at < entry.entry_bytes; at += kLogSectorBytes) {
    INSTAR_ASSIGN_OR_RETURN(auto bytes, View(position + at, kLogSectorBytes));
    if (at == 0) {
      stored = LoadLe32(bytes, LogEntryHeader::kChecksumAt);
      crc_.Add(bytes.first(LogEntryHeader::kChecksumAt));
      crc_.Add(kZeros);
      bytes = bytes.subspan(LogEntryHeader::kChecksumAt + 4);
    }
    crc_.Add(bytes);
  }
  return crc_.value() == stored;
}

Result<std::optional<LogEntryHeader>> LogRing::EntryAt(std::uint64_t position) {
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, View(position, LogEntryHeader::kBytes));
  const auto entry = kLogEntryFields.Decode<LogEntryHeader>(bytes);
  if (entry.signature != kEntrySignature || entry.log_id != header_.log_id) return std::nullopt;
  if (entry.entry_bytes % kLogSectorBytes != 0 || entry.entry_bytes > this->bytes() ||
      entry.entry_bytes < entry.descriptor_bytes() || entry.tail % kLogSectorBytes != 0 ||
      entry.tail >= this->bytes() || entry.sequence_number == 0) {
    return std::nullopt;
  }
  INSTAR_ASSIGN_OR_RETURN(const bool summed, ChecksumAgrees(position, entry));
  if (!summed) return std::nullopt;
  INSTAR_ASSIGN_OR_RETURN(const bool agrees, DescriptorsAgree(position, entry));
  if (!agrees) return std::nullopt;
  return entry;
}

Status LogRing::AppendChanges(std::uint64_t position, const LogEntryHeader& entry,
                              LogChanges& changes) {
  std::uint64_t data_sector = entry.descriptor_bytes();
  for (std::uint32_t i = 0; i < entry.descriptors; ++i) {
    const std::uint64_t at = LogEntryHeader::kBytes + std::uint64_t{i} * kDescriptorBytes;
    INSTAR_ASSIGN_OR_RETURN(const auto bytes, View(position + at, kDescriptorBytes));
    if (changes.data.size() + changes.zeros.size() == kMaxLogChanges) {
      return OverLimit("the log holds more than {0} changes", kMaxLogChanges);
    }
    const auto order = static_cast<std::uint32_t>(changes.data.size() + changes.zeros.size());
    const auto descriptor = kLogDescriptorFields.Decode<LogDescriptor>(bytes);
    const bool is_data = descriptor.signature == kDataSignature;
    const std::uint64_t file_offset = descriptor.file_offset;
    const std::uint64_t length = is_data ? kLogSectorBytes : descriptor.zero_bytes();
    if (!RangeFits(file_offset, length, INT64_MAX)) {
      return Corrupt("the log changes {1} bytes at {0x}, which no file has", file_offset, length);
    }
    if (file_offset < header_.log_offset + header_.log_bytes &&
        header_.log_offset < file_offset + length) {
      return Corrupt("the log changes itself, at {0x}", file_offset);
    }
    if (!is_data) {
      changes.zeros.push_back({.file_offset = file_offset, .bytes = length, .order = order});
      continue;
    }
    changes.data.push_back(
        {.file_offset = file_offset,
         .log_sector_offset = header_.log_offset + (position + data_sector) % this->bytes(),
         .order = order,
         .leading = descriptor.leading,
         .trailing = descriptor.trailing});
    data_sector += kLogSectorBytes;
  }
  return {};
}

}  // namespace instar::vhdx
