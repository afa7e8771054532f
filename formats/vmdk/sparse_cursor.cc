#include "formats/vmdk/sparse_cursor.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::vmdk {
namespace {

constexpr unsigned kMaxPiecesPerExtent = 64;

}  // namespace

SparseCursor::SparseCursor(const BlockDevice& device, const SparseHeader& header,
                           std::uint64_t length_bytes, const TableAllowance& allowance)
    : device_(&device),
      header_(header),
      length_bytes_(length_bytes),
      directory_(device, header, header.directory_sector),
      meter_(device, allowance) {}

Result<SparseCursor::Entries> SparseCursor::Find(std::uint64_t offset) {
  const std::uint64_t covers = header_.table_covers_bytes();
  const std::uint64_t index = offset / covers;
  INSTAR_ASSIGN_OR_RETURN(const auto directory, directory_.Entries(index));
  const std::uint64_t table_sector = LoadLe32(directory, 0);
  if (table_sector == 0) {
    std::uint64_t tables = 1;
    while (tables * kEntryBytes < directory.size() &&
           LoadLe32(directory, tables * kEntryBytes) == 0) {
      ++tables;
    }
    return Entries{.unallocated_bytes = (index + tables) * covers - offset};
  }
  // A table that is not in the file must not pass for one without grains.
  const std::uint64_t table_bytes = header_.table_entries * kEntryBytes;
  const std::uint64_t table_offset = table_sector * kSectorBytes;
  if (!RangeFits(table_offset, table_bytes, device_->size_bytes())) {
    return Corrupt(
        "the grain table at sector {0x} (entry {1}) lies beyond the end of the file "
        "({2x})",
        table_sector, index, device_->size_bytes());
  }
  INSTAR_ASSIGN_OR_RETURN(const bool hole, meter_.Visit(index, table_offset, table_bytes));
  if (hole) return Entries{.unallocated_bytes = (index + 1) * covers - offset};
  INSTAR_ASSIGN_OR_RETURN(const auto table, directory_.Table(index, table_sector));
  const std::uint64_t first = offset % covers / header_.grain_bytes();
  return Entries{.bytes = table.subspan(first * kEntryBytes)};
}

// How long the stream is stands in front of it, in the file. To look there for each grain would
// cost a read each, so what is told is where it must end: at the next grain that follows in the
// table, or after twice a grain, which no stream reaches.
Result<Extent> SparseCursor::CompressedExtent(std::uint64_t offset,
                                              std::span<const std::byte> entries) const {
  constexpr std::size_t kLookAhead = 64 * kEntryBytes;
  const std::uint64_t grain_bytes = header_.grain_bytes();
  const std::uint64_t in_grain = offset % grain_bytes;
  const std::uint64_t sector = LoadLe32(entries, 0);
  const std::uint64_t file_offset = sector * kSectorBytes;
  if (file_offset >= device_->size_bytes()) {
    return Corrupt("the compressed grain at sector {0x} lies beyond the end of the file ({1x})",
                   sector, device_->size_bytes());
  }
  std::uint64_t bytes =
      std::min(2 * grain_bytes + kSectorBytes, device_->size_bytes() - file_offset);
  for (std::size_t at = kEntryBytes; at < std::min(entries.size(), kLookAhead); at += kEntryBytes) {
    const std::uint64_t next = LoadLe32(entries, at);
    if (next <= sector) continue;
    bytes = std::min(bytes, (next - sector) * kSectorBytes);
    break;
  }
  return Extent{.kind = ExtentKind::kCompressed,
                .length_bytes = grain_bytes - in_grain,
                .device = device_->id(),
                .file_offset = file_offset,
                .unit_offset = offset - in_grain,
                .unit_bytes = grain_bytes,
                .compressed_bytes = bytes};
}

Result<bool> SparseCursor::Extend(Extent& extent, std::uint64_t offset,
                                  std::span<const std::byte> entries) {
  const std::uint64_t grain_bytes = header_.grain_bytes();
  std::size_t at = 0;
  if (extent.length_bytes == 0) {
    const std::uint64_t entry = LoadLe32(entries, 0);
    const std::uint64_t in_grain = offset % grain_bytes;
    if (entry == kUnallocatedGrain) {
      extent.kind = ExtentKind::kUnallocated;
    } else if (entry == kZeroedGrain && header_.has_zeroed_grains()) {
      extent.kind = ExtentKind::kZero;
    } else if (header_.compressed()) {
      INSTAR_ASSIGN_OR_RETURN(extent, CompressedExtent(offset, entries));
      return false;
    } else {
      extent.kind = ExtentKind::kData;
      extent.device = device_->id();
      extent.file_offset = entry * kSectorBytes + in_grain;
    }
    extent.length_bytes = grain_bytes - in_grain;
    at = kEntryBytes;
  }
  // Every further entry of the run has one value: this one, growing by `step`.
  std::uint64_t expected = extent.kind == ExtentKind::kZero ? kZeroedGrain : kUnallocatedGrain;
  std::uint64_t step = 0;
  if (extent.kind == ExtentKind::kData) {
    expected = (extent.file_offset + extent.length_bytes) / kSectorBytes;
    step = header_.grain_sectors;
  }
  const std::size_t first = at;
  while (at < entries.size() && LoadLe32(entries, at) == expected) {
    at += kEntryBytes;
    expected += step;
  }
  extent.length_bytes += (at - first) / kEntryBytes * grain_bytes;
  return at == entries.size();
}

Result<Extent> SparseCursor::Next(std::uint64_t offset, std::uint64_t max_length) {
  const std::uint64_t wanted = std::min(max_length, length_bytes_ - offset);
  Extent extent;
  unsigned pieces = 0;
  while (extent.length_bytes < wanted && pieces < kMaxPiecesPerExtent) {
    const std::uint64_t at = offset + extent.length_bytes;
    const auto entries = Find(at);
    // What was found so far is good; who asks for the rest gets the error.
    if (!entries) {
      if (extent.length_bytes != 0) break;
      return std::unexpected(entries.error());
    }
    if (entries->bytes.empty()) {
      if (extent.length_bytes != 0 && extent.kind != ExtentKind::kUnallocated) break;
      extent.length_bytes += entries->unallocated_bytes;
      continue;
    }
    ++pieces;
    INSTAR_ASSIGN_OR_RETURN(const bool more, Extend(extent, at, entries->bytes));
    if (!more) break;
  }
  extent.length_bytes = std::min(extent.length_bytes, wanted);
  CutAtEndOfFile(extent, device_->size_bytes());
  return extent;
}

}  // namespace instar::vmdk
