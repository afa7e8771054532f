#include "formats/raw/partition_table.h"

#include <array>
#include <cstring>
#include <vector>

#include "formats/base/endian.h"

namespace instar::raw {
namespace {

constexpr std::uint64_t kSectorBytes = 512;
constexpr std::size_t kMbrEntries = 446;
constexpr std::size_t kMbrEntryBytes = 16;
constexpr std::uint8_t kProtective = 0xEE;

constexpr std::size_t kGptHeaderBytes = 92;
constexpr std::size_t kGptChecksumAt = 16;
constexpr std::uint32_t kGptEntryBytes = 128;
constexpr std::uint64_t kMaxLba = ~std::uint64_t{0} / kSectorBytes;

// CRC-32 as GPT uses it (reflected, 0xEDB88320), a bit at a time: a few KiB are summed once a
// report.
std::uint32_t Crc32(std::span<const std::byte> bytes) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (const std::byte byte : bytes) {
    crc ^= static_cast<std::uint32_t>(byte);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

void AppendHex(std::span<char>& out, std::uint8_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  out[0] = kDigits[value >> 4];
  out[1] = kDigits[value & 15];
  out = out.subspan(2);
}

// The usual text form: the first three groups are little-endian on disk.
std::array<char, 36> GuidText(std::span<const std::byte> guid) {
  constexpr std::array<std::uint8_t, 16> kOrder = {3, 2, 1,  0,  5,  4,  7,  6,
                                                   8, 9, 10, 11, 12, 13, 14, 15};
  std::array<char, 36> text{};
  std::span<char> out(text);
  for (std::size_t i = 0; i < kOrder.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      out[0] = '-';
      out = out.subspan(1);
    }
    AppendHex(out, static_cast<std::uint8_t>(guid[kOrder[i]]));
  }
  return text;
}

void DescribePartition(ReportSink& sink, std::uint64_t number, std::uint64_t first,
                       std::uint64_t sectors, std::string_view type) {
  sink.BeginObject({});
  sink.Unsigned("number", number);
  sink.Unsigned("start", first * kSectorBytes);
  sink.Unsigned("length", sectors * kSectorBytes);
  sink.String("type", type);
  sink.EndObject();
}

// False if there is no valid GPT.
Result<bool> DescribeGpt(const BlockDevice& device, std::uint64_t start_bytes, ReportSink& sink) {
  std::array<std::byte, kSectorBytes> header{};
  INSTAR_TRY(device.Read(start_bytes + kSectorBytes, header));
  const std::uint32_t header_bytes = LoadLe32(header, 12);
  const std::uint64_t entries_at = LoadLe64(header, 72);
  const std::uint32_t count = LoadLe32(header, 80);
  if (std::memcmp(header.data(), "EFI PART", 8) != 0 || header_bytes < kGptHeaderBytes ||
      header_bytes > kSectorBytes || LoadLe32(header, 84) != kGptEntryBytes || count == 0 ||
      count > kMaxReportedPartitions || entries_at > kMaxLba) {
    return false;
  }
  const std::uint32_t checksum = LoadLe32(header, kGptChecksumAt);
  StoreLe32(header, kGptChecksumAt, 0);
  if (Crc32(std::span(header).first(header_bytes)) != checksum) return false;
  std::vector<std::byte> entries(std::size_t{count} * kGptEntryBytes);
  INSTAR_TRY(device.Read(start_bytes + entries_at * kSectorBytes, entries));
  if (Crc32(entries) != LoadLe32(header, 88)) return false;

  sink.BeginObject("partition-table");
  sink.String("type", "gpt");
  sink.BeginArray("partitions");
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto entry = std::span<const std::byte>(entries).subspan(std::size_t{i} * kGptEntryBytes,
                                                                   kGptEntryBytes);
    const std::uint64_t first = LoadLe64(entry, 32);
    const std::uint64_t last = LoadLe64(entry, 40);
    const bool unused = LoadLe64(entry, 0) == 0 && LoadLe64(entry, 8) == 0;
    if (unused || last < first || last >= kMaxLba) continue;
    const auto type = GuidText(entry.first(16));
    DescribePartition(sink, i + 1, first, last - first + 1, {type.data(), type.size()});
  }
  sink.EndArray();
  sink.EndObject();
  return true;
}

}  // namespace

Status DescribePartitions(const BlockDevice& device, std::uint64_t start_bytes, ReportSink& sink) {
  std::array<std::byte, kSectorBytes> sector{};
  INSTAR_TRY(device.Read(start_bytes, sector));
  if (LoadLe16(sector, 510) != 0xAA55) return {};
  unsigned used = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto entry = std::span<const std::byte>(sector).subspan(kMbrEntries + i * kMbrEntryBytes,
                                                                  kMbrEntryBytes);
    const auto status = static_cast<std::uint8_t>(entry[0]);
    const auto type = static_cast<std::uint8_t>(entry[4]);
    // A boot sector without a table, or something else that ends in 55 AA.
    if ((status & 0x7F) != 0) return {};
    if (type == 0) continue;
    if (type == kProtective) {
      INSTAR_ASSIGN_OR_RETURN(const bool described, DescribeGpt(device, start_bytes, sink));
      if (described) return {};
    }
    ++used;
  }
  if (used == 0) return {};
  sink.BeginObject("partition-table");
  sink.String("type", "mbr");
  sink.BeginArray("partitions");
  for (std::size_t i = 0; i < 4; ++i) {
    const auto entry = std::span<const std::byte>(sector).subspan(kMbrEntries + i * kMbrEntryBytes,
                                                                  kMbrEntryBytes);
    if (entry[4] == std::byte{0}) continue;
    std::array<char, 2> type{};
    std::span<char> out(type);
    AppendHex(out, static_cast<std::uint8_t>(entry[4]));
    DescribePartition(sink, i + 1, LoadLe32(entry, 8), LoadLe32(entry, 12),
                      {type.data(), type.size()});
  }
  sink.EndArray();
  sink.EndObject();
  return {};
}

}  // namespace instar::raw
