#include "formats/qcow2/edit/edit_mapping.h"

#include <utility>

#include "formats/base/endian.h"
#include "formats/qcow2/write/write_batch.h"

namespace instar::qcow2 {

EditMapping::EditMapping(TargetDevice& device, const Header& header, RefcountAllocator& refcounts)
    : device_(&device),
      refcounts_(&refcounts),
      header_(header),
      entry_bytes_(header.l2_entry_bytes()),
      l2_entries_(header.l2_entries()),
      l1_(device, 64 * 1024) {}

Status EditMapping::Select(std::uint64_t cluster) {
  const std::uint64_t index = cluster / l2_entries_;
  if (table_ && table_->l1_index == index) return {};
  KeepTable();
  if (pending_.size() * header_.cluster_bytes() >= kPendingBytes ||
      releases_.size() >= kMaxPendingReleases) {
    INSTAR_TRY(Publish());
  }
  // Each entry is read once, before this run changes it.
  INSTAR_ASSIGN_OR_RETURN(
      const auto bytes,
      l1_.View(header_.l1_table_offset + index * kTableEntryBytes, kTableEntryBytes));
  Table table{.l1_index = index, .offset = L2TableOffset(LoadBe64(bytes, 0)), .bytes = {}};
  if (table.offset % header_.cluster_bytes() != 0 ||
      (table.offset != 0 && refcounts_->IsFixed(table.offset >> header_.cluster_bits))) {
    return Corrupt("the L2 table of L1 entry {0} is misplaced at {1x}", index, table.offset);
  }
  table.bytes.resize(header_.cluster_bytes());
  if (table.offset != 0) INSTAR_TRY(device_->Read(table.offset, table.bytes));
  table_ = std::move(table);
  return {};
}

ClusterEntry EditMapping::Get(std::uint64_t cluster) const {
  const std::size_t at = cluster % l2_entries_ * entry_bytes_;
  ClusterEntry entry{.entry = LoadBe64(table_->bytes, at)};
  if (header_.extended_l2()) {
    entry.bitmap = SubclusterBitmap::DecodeFrom(LoadBe64(table_->bytes, at + 8));
  }
  return entry;
}

Status EditMapping::Set(std::uint64_t cluster, const ClusterEntry& entry) {
  if (Get(cluster) == entry) return {};
  if (!table_->dirty) INSTAR_TRY(OwnTable());
  const std::size_t at = cluster % l2_entries_ * entry_bytes_;
  StoreBe64(table_->bytes, at, entry.entry);
  if (header_.extended_l2()) StoreBe64(table_->bytes, at + 8, entry.bitmap.Encode());
  return {};
}

// A snapshot's L2 table counts the clusters it describes for itself; so a copy of a shared table
// takes over the references of the active layer, and no other count changes.
Status EditMapping::OwnTable() {
  bool own = false;
  if (table_->offset != 0) {
    const std::uint64_t cluster = table_->offset >> header_.cluster_bits;
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t count, refcounts_->Get(cluster));
    if (count == 0) {
      return Corrupt("the L2 table at {0x} has a refcount of 0; repair the image first",
                     table_->offset);
    }
    own = count == 1;
    if (!own) ReleaseLater(cluster, 1);
  }
  if (!own) {
    INSTAR_ASSIGN_OR_RETURN(table_->offset, refcounts_->Allocate(1));
    table_->moved = true;
  }
  table_->dirty = true;
  return {};
}

void EditMapping::ReleaseLater(std::uint64_t first_cluster, std::uint64_t clusters) {
  if (!releases_.empty() && releases_.back().first + releases_.back().clusters == first_cluster) {
    releases_.back().clusters += clusters;
    return;
  }
  releases_.push_back({.first = first_cluster, .clusters = clusters});
}

void EditMapping::KeepTable() {
  if (table_ && table_->dirty) pending_.push_back(*std::move(table_));
  table_.reset();
}

Status EditMapping::Publish() {
  INSTAR_TRY(refcounts_->Flush());
  INSTAR_TRY(device_->Flush());
  WriteBatch batch(*device_);
  bool moved = false;
  for (const Table& table : pending_) {
    INSTAR_TRY(batch.Add(table.offset, table.bytes));
    moved = moved || table.moved;
  }
  INSTAR_TRY(batch.Flush());
  INSTAR_TRY(device_->Flush());
  if (moved) {
    for (const Table& table : pending_) {
      if (!table.moved) continue;
      std::byte entry[kTableEntryBytes];
      StoreBe64(entry, 0, EncodeL1Entry(table.offset, true));
      INSTAR_TRY(batch.Add(header_.l1_table_offset + table.l1_index * kTableEntryBytes, entry));
    }
    INSTAR_TRY(batch.Flush());
    INSTAR_TRY(device_->Flush());
  }
  pending_.clear();
  for (const Release& release : releases_) {
    for (std::uint64_t i = 0; i < release.clusters; ++i) {
      INSTAR_TRY(refcounts_->Lower(release.first + i));
    }
  }
  releases_.clear();
  return {};
}

Status EditMapping::Finish() {
  KeepTable();
  INSTAR_TRY(Publish());
  return refcounts_->Flush();
}

}  // namespace instar::qcow2
