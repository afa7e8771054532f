#include "formats/qcow2/read/refcount_reader.h"

#include <algorithm>

#include "formats/base/endian.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kPieceBytes = 256 << 10;
constexpr std::uint64_t kTablePieceBytes = 64 << 10;
// Half a window of a check has refcounts of 16 bits of so many bytes.
constexpr TableAllowance kBlockAllowance{.free_bytes = 16 << 20, .per_stored_byte = 16};

// Whether a refcount block can stand there: no file reaches beyond 2^63.
bool IsPlace(std::uint64_t offset, std::uint64_t cluster_bytes) {
  return offset % cluster_bytes == 0 && offset <= INT64_MAX - cluster_bytes;
}

}  // namespace

RefcountReader::RefcountReader(const BlockDevice& device, const Header& header,
                               std::uint64_t ahead_bytes)
    : header_(header),
      table_entries_((std::uint64_t{header.refcount_table_clusters} << header.cluster_bits) /
                     kTableEntryBytes),
      table_(device, kTablePieceBytes),
      blocks_(device),
      meter_(device, kBlockAllowance),
      ahead_bytes_(ahead_bytes) {}

Result<std::uint64_t> RefcountReader::TableEntry(std::uint64_t index) {
  constexpr std::uint64_t kEntries = kTablePieceBytes / kTableEntryBytes;
  const std::uint64_t first = index / kEntries * kEntries;
  const std::uint64_t bytes = std::min(kEntries, table_entries_ - first) * kTableEntryBytes;
  INSTAR_ASSIGN_OR_RETURN(
      const auto piece,
      table_.View(header_.refcount_table_offset + first * kTableEntryBytes, bytes, bytes));
  return LoadBe64(piece, (index - first) * kTableEntryBytes);
}

Result<std::span<const std::byte>> RefcountReader::ReadPiece(const ByteRange& piece,
                                                             std::uint64_t index) {
  if (const auto held = blocks_.Find(piece)) return *held;
  wanted_.assign(1, piece);
  const std::uint64_t cluster_bytes = header_.cluster_bytes();
  std::uint64_t bytes = cluster_bytes;  // blocks of more than a piece are not read together
  while (bytes < ahead_bytes_ && cluster_bytes == piece.length_bytes && ++index < table_entries_) {
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t entry, TableEntry(index));
    const std::uint64_t offset = entry & ~kRefcountBlockReserved;
    if (offset == 0 || !IsPlace(offset, cluster_bytes)) break;
    wanted_.push_back({.offset = offset, .length_bytes = cluster_bytes});
    bytes += cluster_bytes;
  }
  return blocks_.Fetch(wanted_);
}

Status RefcountReader::Fill(std::uint64_t cluster) {
  const unsigned order = header_.refcount_order;
  const std::uint64_t per_block = RefcountsPerBlock(header_.cluster_bits, order);
  const std::uint64_t index = cluster / per_block;
  run_ = {.first = index * per_block, .end = (index + 1) * per_block};
  if (index >= table_entries_) {
    run_.end = ~std::uint64_t{0};
    return {};
  }
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t entry, TableEntry(index));
  const std::uint64_t offset = entry & ~kRefcountBlockReserved;
  if (offset == 0) return {};
  if (!IsPlace(offset, header_.cluster_bytes())) {
    run_.misplaced = true;
    return {};
  }
  const std::uint64_t piece_bytes = std::min(header_.cluster_bytes(), kPieceBytes);
  const std::uint64_t per_piece = piece_bytes * 8 >> order;
  const std::uint64_t piece = (cluster - run_.first) / per_piece;
  const std::uint64_t first = run_.first + piece * per_piece;
  run_ = {};  // in case the read fails
  const std::uint64_t per_block_pieces = header_.cluster_bytes() / piece_bytes;
  INSTAR_ASSIGN_OR_RETURN(const bool hole, meter_.Visit(index * per_block_pieces + piece,
                                                        offset + piece * piece_bytes, piece_bytes));
  if (hole) {
    run_ = {.first = first, .end = first + per_piece};
    return {};
  }
  INSTAR_ASSIGN_OR_RETURN(
      const auto counts,
      ReadPiece({.offset = offset + piece * piece_bytes, .length_bytes = piece_bytes}, index));
  run_ = {.first = first, .end = first + per_piece, .counts = counts};
  return {};
}

Result<RefcountReader::Run> RefcountReader::RunAt(std::uint64_t cluster) {
  if (cluster < run_.first || cluster >= run_.end) INSTAR_TRY(Fill(cluster));
  return run_;
}

Result<std::optional<std::uint64_t>> RefcountReader::Seek(std::uint64_t cluster) {
  INSTAR_ASSIGN_OR_RETURN(const Run run, RunAt(cluster));
  if (run.misplaced) return std::optional<std::uint64_t>();
  if (run.counts.empty()) return std::optional<std::uint64_t>(0);
  return std::optional(LoadRefcount(run.counts, cluster - run.first, header_.refcount_order));
}

}  // namespace instar::qcow2
