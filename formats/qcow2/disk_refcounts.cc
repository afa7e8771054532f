#include "formats/qcow2/disk_refcounts.h"

#include <algorithm>

#include "formats/base/endian.h"
#include "formats/qcow2/refcount.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kPieceBytes = 256 << 10;
constexpr std::uint64_t kTablePieceBytes = 64 << 10;

}  // namespace

DiskRefcounts::DiskRefcounts(const BlockDevice& device, const Header& header)
    : header_(header),
      table_entries_((std::uint64_t{header.refcount_table_clusters} << header.cluster_bits) /
                     kTableEntryBytes),
      table_(device, kTablePieceBytes),
      block_(device, kPieceBytes) {}

Result<std::uint64_t> DiskRefcounts::TableEntry(std::uint64_t index) {
  constexpr std::uint64_t kEntries = kTablePieceBytes / kTableEntryBytes;
  const std::uint64_t first = index / kEntries * kEntries;
  const std::uint64_t bytes = std::min(kEntries, table_entries_ - first) * kTableEntryBytes;
  INSTAR_ASSIGN_OR_RETURN(
      const auto piece,
      table_.View(header_.refcount_table_offset + first * kTableEntryBytes, bytes, bytes));
  return LoadBe64(piece, (index - first) * kTableEntryBytes);
}

Status DiskRefcounts::Fill(std::uint64_t cluster) {
  const unsigned order = header_.refcount_order;
  const std::uint64_t per_block = RefcountsPerBlock(header_.cluster_bits, order);
  const std::uint64_t index = cluster / per_block;
  first_ = index * per_block;
  end_ = first_ + per_block;
  counts_ = {};
  misplaced_ = false;
  if (index >= table_entries_) {
    end_ = ~std::uint64_t{0};
    return {};
  }
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t entry, TableEntry(index));
  const std::uint64_t offset = entry & ~kRefcountBlockReserved;
  if (offset == 0) return {};
  if (offset % header_.cluster_bytes() != 0) {
    misplaced_ = true;
    return {};
  }
  const std::uint64_t piece_bytes = std::min(header_.cluster_bytes(), kPieceBytes);
  const std::uint64_t per_piece = piece_bytes * 8 >> order;
  const std::uint64_t piece = (cluster - first_) / per_piece;
  first_ += piece * per_piece;
  end_ = first_;  // in case the read fails
  INSTAR_ASSIGN_OR_RETURN(counts_, block_.View(offset + piece * piece_bytes, piece_bytes));
  end_ = first_ + per_piece;
  return {};
}

Result<std::optional<std::uint64_t>> DiskRefcounts::Seek(std::uint64_t cluster) {
  if (cluster < first_ || cluster >= end_) INSTAR_TRY(Fill(cluster));
  if (misplaced_) return std::optional<std::uint64_t>();
  if (counts_.empty()) return std::optional<std::uint64_t>(0);
  return std::optional(LoadRefcount(counts_, cluster - first_, header_.refcount_order));
}

}  // namespace instar::qcow2
