#include "verbs/map_codec.h"

#include <optional>
#include <string_view>

#include "formats/base/endian.h"

namespace instar::vmm {
namespace {

enum class Tag : std::uint32_t { kEntry = 1, kVirtualSize = 2, kIsolation = 3, kWarning = 4 };

constexpr std::uint64_t kPresent = 1U << 0;
constexpr std::uint64_t kZero = 1U << 1;
constexpr std::uint64_t kData = 1U << 2;
constexpr std::uint64_t kCompressed = 1U << 3;
constexpr std::uint64_t kHasOffset = 1U << 4;

constexpr std::size_t kFixedBytes = 40;  // of an entry; its file name follows

}  // namespace

bool MapEntryEncoder::Add(const MapEntry& entry) {
  std::vector<std::byte> bytes(kFixedBytes + entry.filename.size());
  StoreLe64(bytes, 0, entry.start);
  StoreLe64(bytes, 8, entry.length);
  StoreLe64(bytes, 16, entry.depth);
  StoreLe64(bytes, 24, entry.offset.value_or(0));
  const std::uint64_t flags = (entry.present ? kPresent : 0) | (entry.zero ? kZero : 0) |
                              (entry.data ? kData : 0) | (entry.compressed ? kCompressed : 0) |
                              (entry.offset ? kHasOffset : 0);
  StoreLe64(bytes, 32, flags);
  if (!entry.filename.empty()) {
    std::memcpy(bytes.data() + kFixedBytes, entry.filename.data(), entry.filename.size());
  }
  writer_.Bytes(static_cast<std::uint32_t>(Tag::kEntry), bytes);
  return writer_.bytes().size() < kBatchBytes || Flush();
}

bool MapEntryEncoder::Flush() {
  if (writer_.bytes().empty()) return true;
  const bool more = send_(writer_.bytes());
  writer_.Clear();
  return more;
}

bool DecodeMapEntries(std::span<const std::byte> batch,
                      const std::function<bool(const MapEntry&)>& take) {
  WireReader reader(batch);
  while (const auto field = reader.Next()) {
    if (field->tag != static_cast<std::uint32_t>(Tag::kEntry) ||
        field->payload.size() < kFixedBytes) {
      return false;
    }
    const std::uint64_t flags = LoadLe64(field->payload, 32);
    MapEntry entry{.start = LoadLe64(field->payload, 0),
                   .length = LoadLe64(field->payload, 8),
                   .depth = LoadLe64(field->payload, 16),
                   .present = (flags & kPresent) != 0,
                   .zero = (flags & kZero) != 0,
                   .data = (flags & kData) != 0,
                   .compressed = (flags & kCompressed) != 0,
                   .offset = std::nullopt,
                   .filename = field->AsText().substr(kFixedBytes)};
    if ((flags & kHasOffset) != 0) entry.offset = LoadLe64(field->payload, 24);
    if (!take(entry)) return false;
  }
  return reader.ok();
}

std::vector<std::byte> EncodeMapReport(const MapReport& report) {
  WireWriter writer;
  writer.Unsigned(static_cast<std::uint32_t>(Tag::kVirtualSize), report.virtual_size);
  writer.Unsigned(static_cast<std::uint32_t>(Tag::kIsolation),
                  static_cast<std::uint64_t>(report.isolation));
  for (const std::string& warning : report.warnings) {
    writer.Text(static_cast<std::uint32_t>(Tag::kWarning), warning);
  }
  return {writer.bytes().begin(), writer.bytes().end()};
}

absl::StatusOr<MapReport> DecodeMapReport(std::span<const std::byte> bytes) {
  MapReport report;
  WireReader reader(bytes);
  const auto size = reader.Next();
  const auto isolation = reader.Next();
  const auto number = isolation ? isolation->AsUnsigned() : std::nullopt;
  const auto bytes_told = size ? size->AsUnsigned() : std::nullopt;
  bool good = bytes_told && number;
  while (const auto field = reader.Next()) {
    good = good && field->tag == static_cast<std::uint32_t>(Tag::kWarning);
    report.warnings.emplace_back(field->AsText());
  }
  if (!good || !reader.ok()) return absl::InternalError("the sandboxed process sent nonsense");
  report.virtual_size = *bytes_told;
  for (const Isolation known : {Isolation::kKvm, Isolation::kProcess, Isolation::kInline}) {
    if (*number == static_cast<std::uint64_t>(known)) report.isolation = known;
  }
  return report;
}

}  // namespace instar::vmm
