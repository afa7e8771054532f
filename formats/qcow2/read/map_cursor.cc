#include "formats/qcow2/read/map_cursor.h"

#include <algorithm>
#include <bit>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kL1PieceBytes = 64 << 10;
constexpr std::uint64_t kPieceBytes = 16 << 10;
constexpr std::uint64_t kLeastAheadBytes = 64 << 10;  // of who walks on, whatever the limit
constexpr std::size_t kMaxAheadPieces = 256;

// Pieces of L2 tables one extent is followed through. An image of a few MiB can make a run endless
// (every L1 entry naming one and the same table); whoever walks it must get to report progress.
constexpr unsigned kMaxPiecesPerExtent = 256;

// What decides how a standard entry reads.
constexpr std::uint64_t kStandardMask = kOffsetMask | kCompressed | kReadsZero;

}  // namespace

Cursor::Cursor(const MapSource& source)
    : source_(source),
      l1_(*source.tables, kL1PieceBytes),
      l2_(*source.tables),
      meter_(*source.tables) {}

void Cursor::LimitAhead(std::uint64_t first_bytes, std::uint64_t most_bytes) {
  most_ahead_bytes_ = std::clamp(most_bytes, kLeastAheadBytes, kAheadBytes);
  ahead_bytes_ = std::clamp(first_bytes, kPieceBytes, most_ahead_bytes_);
}

// The piece of the L1 table that holds `l1_index`: entries from the multiple of the piece's size
// below it to the end of the piece or of what the virtual size needs.
Result<std::span<const std::byte>> Cursor::L1Piece(std::uint64_t l1_index) {
  constexpr std::uint64_t kEntries = kL1PieceBytes / kTableEntryBytes;
  const std::uint64_t needed =
      DivideRoundUp(source_.virtual_size_bytes, source_.header.l1_entry_covers_bytes());
  const std::uint64_t first = l1_index / kEntries * kEntries;
  const std::uint64_t end = std::min({first + kEntries, std::uint64_t{source_.l1_entries}, needed});
  const std::uint64_t bytes = (end - first) * kTableEntryBytes;
  return l1_.View(source_.l1_table_offset + first * kTableEntryBytes, bytes, bytes);
}

Result<Cursor::Entries> Cursor::Find(std::uint64_t offset) {
  const Header& header = source_.header;
  const std::uint64_t covers = header.l1_entry_covers_bytes();
  const std::uint64_t l1_index = offset / covers;
  if (l1_index >= source_.l1_entries) {  // a snapshot of a smaller disk
    return Entries{.unallocated_bytes = source_.virtual_size_bytes - offset};
  }
  INSTAR_ASSIGN_OR_RETURN(const auto l1, L1Piece(l1_index));
  const std::uint64_t entries_in_piece = l1.size() / kTableEntryBytes;
  std::uint64_t at = l1_index % (kL1PieceBytes / kTableEntryBytes);
  const std::uint64_t table_offset = L2TableOffset(LoadBe64(l1, at * kTableEntryBytes));
  if (table_offset == 0) {
    std::uint64_t end = at + 1;
    while (end < entries_in_piece && L2TableOffset(LoadBe64(l1, end * kTableEntryBytes)) == 0) {
      ++end;
    }
    return Entries{.unallocated_bytes = (l1_index + (end - at)) * covers - offset};
  }
  const std::uint64_t table_bytes = header.cluster_bytes();
  if (table_offset % table_bytes != 0) {
    return Corrupt("the L2 table at {0x} (L1 entry {1}) is not aligned to a cluster", table_offset,
                   l1_index);
  }
  // A table can be cut short by the end of the file, but not begin there: reading one that is not
  // in the file as zeros would pass a truncated image off as an empty one.
  if (table_offset >= source_.tables->size_bytes()) {
    return Corrupt("the L2 table at {0x} (L1 entry {1}) lies beyond the end of the file ({2x})",
                   table_offset, l1_index, source_.tables->size_bytes());
  }

  const std::uint64_t index = (offset % covers) >> header.cluster_bits;
  const std::uint64_t first = AlignDown(index, entries_per_piece());
  const Place place{.l1_index = l1_index, .first = first};
  const ByteRange range = PieceAt(table_offset, place);
  const std::uint64_t pieces = table_bytes / header.l2_entry_bytes() / entries_per_piece();
  INSTAR_ASSIGN_OR_RETURN(
      const bool hole, meter_.Visit(l1_index * pieces + first / entries_per_piece(), range.offset,
                                    range.length_bytes));
  if (hole) {  // entries of zeros
    INSTAR_ASSIGN_OR_RETURN(const FileRun run,
                            meter_.RunAt(range.offset, table_offset + table_bytes - range.offset));
    const std::uint64_t entries =
        std::max(run.length_bytes, range.length_bytes) / header.l2_entry_bytes();
    const std::uint64_t end = l1_index * covers + ((first + entries) << header.cluster_bits);
    return Entries{.unallocated_bytes = end - offset};
  }
  auto piece = l2_.Find(range);
  if (!piece) {
    if (ahead_offset_ != 0) {
      ahead_bytes_ =
          offset < ahead_offset_ ? kPieceBytes : std::min(2 * ahead_bytes_, most_ahead_bytes_);
    }
    if (meter_.looks_for_holes()) ahead_bytes_ = kPieceBytes;  // the next may lie in one
    ListPieces(l1, place);
    INSTAR_ASSIGN_OR_RETURN(piece, l2_.Fetch(wanted_));
  }
  return Entries{.bytes = piece->subspan((index - first) * header.l2_entry_bytes())};
}

std::uint64_t Cursor::entries_per_piece() const {
  return std::min(source_.header.cluster_bytes(), kPieceBytes) / source_.header.l2_entry_bytes();
}

// Nothing beyond the virtual size.
ByteRange Cursor::PieceAt(std::uint64_t table_offset, const Place& place) const {
  const Header& header = source_.header;
  const std::uint64_t disk_offset =
      place.l1_index * header.l1_entry_covers_bytes() + (place.first << header.cluster_bits);
  const std::uint64_t used =
      DivideRoundUp(source_.virtual_size_bytes - disk_offset, header.cluster_bytes());
  return {.offset = table_offset + place.first * header.l2_entry_bytes(),
          .length_bytes = std::min(entries_per_piece(), used) * header.l2_entry_bytes()};
}

void Cursor::ListPieces(std::span<const std::byte> l1, Place place) {
  constexpr std::uint64_t kL1PieceEntries = kL1PieceBytes / kTableEntryBytes;
  const Header& header = source_.header;
  const std::uint64_t entries_per_table = header.cluster_bytes() / header.l2_entry_bytes();
  const std::uint64_t l1_end =
      AlignDown(place.l1_index, kL1PieceEntries) + l1.size() / kTableEntryBytes;
  std::uint64_t bytes = 0;
  wanted_.clear();
  while (bytes < ahead_bytes_ && wanted_.size() < kMaxAheadPieces && place.l1_index < l1_end) {
    const std::uint64_t table =
        L2TableOffset(LoadBe64(l1, place.l1_index % kL1PieceEntries * kTableEntryBytes));
    if (table % header.cluster_bytes() != 0 || table >= source_.tables->size_bytes()) break;
    if (table != 0) {
      wanted_.push_back(PieceAt(table, place));
      bytes += wanted_.back().length_bytes;
      place.first += entries_per_piece();
    }
    if (table == 0 || place.first >= entries_per_table) {
      place = {.l1_index = place.l1_index + 1, .first = 0};
    }
    ahead_offset_ =
        place.l1_index * header.l1_entry_covers_bytes() + (place.first << header.cluster_bits);
    if (ahead_offset_ >= source_.virtual_size_bytes) break;
  }
}

Status Cursor::CheckHostOffset(std::uint64_t host_offset, std::uint64_t offset) const {
  const std::uint64_t guest_offset = AlignDown(offset, source_.header.cluster_bytes());
  if (host_offset % source_.header.cluster_bytes() != 0) {
    return Corrupt("the cluster at {0x} for virtual offset {1x} is not aligned", host_offset,
                   guest_offset);
  }
  if (source_.header.has_data_file() && host_offset != guest_offset) {
    return Corrupt("virtual offset {1x} stands at {0x} of the data file, not at the same offset",
                   host_offset, guest_offset);
  }
  return {};
}

Result<Extent> Cursor::CompressedExtent(std::uint64_t offset, std::uint64_t entry) const {
  const Header& header = source_.header;
  if (header.has_data_file()) {
    return Corrupt("virtual offset {0x} is compressed in an image with a data file", offset);
  }
  const std::uint64_t in_cluster = offset % header.cluster_bytes();
  const auto descriptor = CompressedCluster::DecodeFrom(entry, header.cluster_bits);
  return Extent{.kind = ExtentKind::kCompressed,
                .length_bytes = header.cluster_bytes() - in_cluster,
                .device = source_.data->id(),
                .file_offset = descriptor.offset,
                .unit_offset = offset - in_cluster,
                .unit_bytes = header.cluster_bytes(),
                .compressed_bytes = descriptor.bytes()};
}

Result<bool> Cursor::ExtendStandard(Extent& extent, std::uint64_t offset,
                                    std::span<const std::byte> entries) const {
  const Header& header = source_.header;
  const std::uint64_t cluster_bytes = header.cluster_bytes();
  const std::uint64_t in_cluster = offset % cluster_bytes;
  std::size_t at = 0;
  if (extent.length_bytes == 0) {
    const std::uint64_t entry = LoadBe64(entries, 0);
    const std::uint64_t host_offset = HostOffset(entry);
    if (IsCompressed(entry)) {
      INSTAR_ASSIGN_OR_RETURN(extent, CompressedExtent(offset, entry));
      return false;
    }
    const bool reads_zero = (entry & kReadsZero) != 0;
    if (reads_zero && header.version < 3) {
      return Corrupt("virtual offset {0x} has the zero flag, which version 2 does not know",
                     offset);
    }
    // Offset 0 of a data file is a cluster like any other; there COPIED tells that it is allocated.
    const bool allocated =
        host_offset != 0 || (header.has_data_file() && !reads_zero && (entry & kCopied) != 0);
    if (allocated) {
      INSTAR_TRY(CheckHostOffset(host_offset, offset));
      extent.device = source_.data->id();
      extent.file_offset = host_offset + in_cluster;
    }
    extent.kind = reads_zero  ? ExtentKind::kZero
                  : allocated ? ExtentKind::kData
                              : ExtentKind::kUnallocated;
    extent.has_offset = reads_zero && allocated;
    extent.length_bytes = cluster_bytes - in_cluster;
    at = kTableEntryBytes;
  }

  // Every further entry of the run has one value: this one, growing by `step`.
  std::uint64_t mask = kStandardMask;
  std::uint64_t expected = 0;
  std::uint64_t step = 0;
  if (extent.kind == ExtentKind::kZero) expected = kReadsZero;
  if (extent.kind == ExtentKind::kUnallocated && header.has_data_file()) mask |= kCopied;
  if (extent.kind == ExtentKind::kData || extent.has_offset) {
    expected |= extent.file_offset + extent.length_bytes;
    step = cluster_bytes;
  }
  const std::size_t first = at;
  while (at < entries.size() && (LoadBe64(entries, at) & mask) == expected) {
    at += kTableEntryBytes;
    expected += step;
  }
  extent.length_bytes += (at - first) / kTableEntryBytes * cluster_bytes;
  return at == entries.size();
}

Result<bool> Cursor::ExtendExtended(Extent& extent, std::uint64_t offset,
                                    std::span<const std::byte> entries) const {
  const Header& header = source_.header;
  const std::uint64_t cluster_bytes = header.cluster_bytes();
  const std::uint64_t subcluster_bytes = header.subcluster_bytes();
  for (std::size_t at = 0; at < entries.size(); at += kExtendedL2EntryBytes) {
    const std::uint64_t entry = LoadBe64(entries, at);
    const std::uint64_t in_cluster = offset % cluster_bytes;
    if (IsCompressed(entry)) {
      if (extent.length_bytes != 0) return false;
      INSTAR_ASSIGN_OR_RETURN(extent, CompressedExtent(offset, entry));
      return false;
    }
    const auto bitmap = SubclusterBitmap::DecodeFrom(LoadBe64(entries, at + kTableEntryBytes));
    const std::uint64_t host_offset = HostOffset(entry);
    const bool allocated = host_offset != 0 || (header.has_data_file() && (entry & kCopied) != 0);
    const std::uint32_t contradicting =
        allocated ? bitmap.allocated & bitmap.reads_zero : bitmap.allocated;
    if (contradicting != 0) {
      if (extent.length_bytes != 0) return false;
      return Corrupt("the subcluster bitmap for virtual offset {0x} contradicts itself ({1x})",
                     offset - in_cluster, bitmap.Encode());
    }
    if (allocated) {
      if (const Status good = CheckHostOffset(host_offset, offset); !good) {
        if (extent.length_bytes != 0) return false;
        return std::unexpected(good.error());
      }
    }

    // The run of equal subclusters from here: XOR with the state of the first one turns equal bits
    // to zero, so the run ends at the lowest bit set in either half.
    const auto sub = static_cast<unsigned>(in_cluster / subcluster_bytes);
    const bool is_data = ((bitmap.allocated >> sub) & 1) != 0;
    const bool is_zero = ((bitmap.reads_zero >> sub) & 1) != 0;
    const std::uint32_t differs = ((bitmap.allocated ^ (is_data ? ~std::uint32_t{0} : 0)) |
                                   (bitmap.reads_zero ^ (is_zero ? ~std::uint32_t{0} : 0))) >>
                                  sub;
    const unsigned count = std::min<unsigned>(static_cast<unsigned>(std::countr_zero(differs)),
                                              kSubclustersPerCluster - sub);
    const ExtentKind kind = is_zero   ? ExtentKind::kZero
                            : is_data ? ExtentKind::kData
                                      : ExtentKind::kUnallocated;
    const bool has_offset = (is_zero || !is_data) && allocated;
    const std::uint64_t file_offset = host_offset + in_cluster;
    if (extent.length_bytes == 0) {
      extent.kind = kind;
      extent.has_offset = has_offset;
      if (is_data || has_offset) {
        extent.device = source_.data->id();
        extent.file_offset = file_offset;
      }
    } else if (extent.kind != kind || extent.has_offset != has_offset ||
               ((is_data || has_offset) &&
                extent.file_offset + extent.length_bytes != file_offset)) {
      return false;
    }
    const std::uint64_t length = (sub + count) * subcluster_bytes - in_cluster;
    extent.length_bytes += length;
    offset += length;
    if (sub + count < kSubclustersPerCluster) return false;
  }
  return true;
}

Result<Extent> Cursor::Next(std::uint64_t offset, std::uint64_t max_length) {
  if (offset >= source_.virtual_size_bytes || max_length == 0) {
    return InvalidArgument("virtual offset {0x} is not below the virtual size {1x}", offset,
                           source_.virtual_size_bytes);
  }
  const std::uint64_t wanted = std::min(max_length, source_.virtual_size_bytes - offset);
  Extent extent;
  unsigned pieces = 0;
  while (extent.length_bytes < wanted && pieces < kMaxPiecesPerExtent) {
    const std::uint64_t at = offset + extent.length_bytes;
    const auto entries = Find(at);
    // What was found so far is good; who asks for the rest gets the error.
    if (!entries) {
      if (extent.length_bytes != 0) break;
      return std::unexpected(entries.error().On(source_.tables->id()));
    }
    if (entries->bytes.empty()) {
      if (extent.length_bytes != 0 && extent.kind != ExtentKind::kUnallocated) break;
      extent.length_bytes += entries->unallocated_bytes;
      continue;
    }
    ++pieces;
    const auto more = source_.header.extended_l2() ? ExtendExtended(extent, at, entries->bytes)
                                                   : ExtendStandard(extent, at, entries->bytes);
    if (!more) return std::unexpected(more.error().On(source_.tables->id()));
    if (!*more) break;
  }
  extent.length_bytes = std::min(extent.length_bytes, wanted);

  CutAtEndOfFile(extent, source_.data->size_bytes());
  return extent;
}

}  // namespace instar::qcow2
