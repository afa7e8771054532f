#include "formats/qcow2/write/writer_mapping.h"

#include <algorithm>

#include "formats/base/endian.h"
#include "formats/qcow2/structures/constants.h"

namespace instar::qcow2 {

WriterMapping::WriterMapping(WriteBatch& batch, WriterAllocator& allocator, unsigned cluster_bits,
                             bool extended_l2)
    : batch_(&batch),
      allocator_(&allocator),
      entry_bytes_(extended_l2 ? kExtendedL2EntryBytes : kTableEntryBytes),
      l2_entries_((std::uint64_t{1} << cluster_bits) / entry_bytes_),
      l2_(std::size_t{1} << cluster_bits) {}

void WriterMapping::PlaceL1(std::uint64_t offset, std::uint64_t entries) {
  l1_offset_ = offset;
  l1_entries_ = entries;
  l1_.resize(std::min(entries, kL1PieceEntries) * kTableEntryBytes);
}

Status WriterMapping::Select(std::uint64_t cluster) {
  const std::uint64_t index = cluster / l2_entries_;
  if (table_ == index) return {};
  INSTAR_TRY(WriteL2());
  INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, allocator_->AllocateRun(1));
  INSTAR_TRY(SetL1(index, run.offset));
  std::ranges::fill(l2_, std::byte{0});
  table_ = index;
  table_offset_ = run.offset;
  return {};
}

void WriterMapping::Set(std::uint64_t cluster, std::uint64_t entry, SubclusterBitmap bitmap) {
  const std::size_t at = cluster % l2_entries_ * entry_bytes_;
  StoreBe64(l2_, at, entry);
  if (entry_bytes_ == kExtendedL2EntryBytes) StoreBe64(l2_, at + 8, bitmap.Encode());
}

Status WriterMapping::WriteL2() {
  if (!table_) return {};
  return batch_->Add(table_offset_, l2_);
}

Status WriterMapping::SetL1(std::uint64_t index, std::uint64_t l2_offset) {
  const std::uint64_t piece = index / kL1PieceEntries;
  if (piece_ != piece) {
    INSTAR_TRY(WriteL1Piece());
    std::ranges::fill(l1_, std::byte{0});
    piece_ = piece;
  }
  StoreBe64(l1_, index % kL1PieceEntries * kTableEntryBytes, EncodeL1Entry(l2_offset, true));
  return {};
}

Status WriterMapping::WriteL1Piece() {
  if (!piece_) return {};
  const std::uint64_t first = *piece_ * kL1PieceEntries;
  const std::uint64_t entries = std::min(l1_entries_ - first, kL1PieceEntries);
  return batch_->Add(l1_offset_ + first * kTableEntryBytes,
                     std::span(l1_).first(entries * kTableEntryBytes));
}

Status WriterMapping::Finish() {
  INSTAR_TRY(WriteL2());
  return WriteL1Piece();
}

}  // namespace instar::qcow2
