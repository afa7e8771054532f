#include "formats/qcow2/edit/mapping_change.h"

#include <algorithm>
#include <span>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/zero_bytes.h"
#include "formats/qcow2/edit/reference_walk.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kNoTable = ~std::uint64_t{0};
}  // namespace

MappingChange::MappingChange(ImageChange& change)
    : change_(change),
      header_(change.old_header()),
      l2_entries_(header_.l2_entries()),
      table_(header_.cluster_bytes()) {}

Status MappingChange::Select(std::uint64_t l1_index) {
  if (selected_ == l1_index) return {};
  INSTAR_TRY(Keep());
  INSTAR_ASSIGN_OR_RETURN(const auto* const l1, change_.L1());
  const std::uint64_t offset = l1_index < l1->size() ? L2TableOffset((*l1)[l1_index]) : 0;
  if (offset == 0) {
    std::ranges::fill(table_, std::byte{0});
  } else {
    if (change_.IsNew(offset)) INSTAR_TRY(WritePending());
    INSTAR_TRY(change_.device().Read(offset, table_));
  }
  selected_ = l1_index;
  return {};
}

Status MappingChange::Finish() {
  INSTAR_TRY(Keep());
  return WritePending();
}

Status MappingChange::WritePending() {
  std::vector<WritePiece> pieces;
  for (const Pending& pending : pending_) {
    pieces.push_back({.offset = pending.offset, .data = pending.table});
  }
  if (!pieces.empty()) INSTAR_TRY(change_.WriteAll(pieces));
  pending_.clear();
  return {};
}

Status MappingChange::Keep() {
  if (!dirty_) return {};
  INSTAR_ASSIGN_OR_RETURN(auto* const l1, change_.L1());
  std::uint64_t& entry = (*l1)[selected_];
  const std::uint64_t old = L2TableOffset(entry);
  const bool is_zero = IsZero(table_);
  // A table that this change has made, and that no snapshot shares, can be written again.
  const bool stays = !is_zero && (entry & kCopied) != 0 && old != 0 && change_.IsNew(old);
  if (old != 0 && !stays) INSTAR_TRY(change_.Drop({old >> header_.cluster_bits, 1}));
  if (is_zero) {
    entry = 0;
  } else {
    std::uint64_t place = old;
    if (!stays) {
      INSTAR_ASSIGN_OR_RETURN(place, change_.Take(1));
      entry = EncodeL1Entry(place, /*copied=*/true);
    }
    pending_.push_back({.offset = place, .table = table_});
  }
  dirty_ = false;
  selected_ = kNoTable;
  return pending_.size() << header_.cluster_bits >= kPendingBytes ? WritePending() : Status();
}

Result<bool> MappingChange::HasTable(std::uint64_t cluster) {
  const std::uint64_t index = cluster / l2_entries_;
  if (selected_ == index && dirty_) return true;
  INSTAR_ASSIGN_OR_RETURN(const auto* const l1, change_.L1());
  return index < l1->size() && L2TableOffset((*l1)[index]) != 0;
}

Result<ClusterEntry> MappingChange::Get(std::uint64_t cluster) {
  INSTAR_TRY(Select(cluster / l2_entries_));
  const std::uint64_t at = cluster % l2_entries_ * header_.l2_entry_bytes();
  ClusterEntry entry{.entry = LoadBe64(table_, at)};
  if (header_.extended_l2()) {
    entry.bitmap = SubclusterBitmap::DecodeFrom(LoadBe64(table_, at + kTableEntryBytes));
  }
  return entry;
}

Status MappingChange::Set(std::uint64_t cluster, const ClusterEntry& entry) {
  INSTAR_ASSIGN_OR_RETURN(const ClusterEntry old, Get(cluster));
  if (old == entry) return {};
  const bool keeps = !IsCompressed(old.entry) && !IsCompressed(entry.entry) &&
                     HostOffset(old.entry) == HostOffset(entry.entry);
  if (!keeps) INSTAR_TRY(DropEntry(old));
  const std::uint64_t at = cluster % l2_entries_ * header_.l2_entry_bytes();
  StoreBe64(table_, at, entry.entry);
  if (header_.extended_l2()) StoreBe64(table_, at + kTableEntryBytes, entry.bitmap.Encode());
  dirty_ = true;
  return {};
}

Status MappingChange::DropEntry(const ClusterEntry& entry) {
  if (IsCompressed(entry.entry)) {
    const auto data = CompressedCluster::DecodeFrom(entry.entry & ~kCopied, header_.cluster_bits);
    const std::uint64_t first = data.offset >> header_.cluster_bits;
    const std::uint64_t last = (data.offset + data.bytes() - 1) >> header_.cluster_bits;
    return change_.Drop({first, last - first + 1});
  }
  const std::uint64_t offset = HostOffset(entry.entry);
  if (offset == 0 || header_.has_data_file()) return {};
  return change_.Drop({offset >> header_.cluster_bits, 1});
}

Status MappingChange::Clear(std::uint64_t first, std::uint64_t end) {
  INSTAR_ASSIGN_OR_RETURN(const auto* const l1, change_.L1());
  end = std::min(end, l1->size() * l2_entries_);
  while (first < end) {
    const std::uint64_t index = first / l2_entries_;
    const std::uint64_t stop = std::min(end, (index + 1) * l2_entries_);
    if (first % l2_entries_ == 0 && stop % l2_entries_ == 0) {
      INSTAR_TRY(Finish());
      return DropTables(index, DivideRoundUp(end, l2_entries_));
    }
    if (L2TableOffset((*l1)[index]) != 0) {
      for (; first < stop; ++first) INSTAR_TRY(Set(first, {}));
    }
    first = stop;
  }
  return {};
}

Status MappingChange::DropTables(std::uint64_t first, std::uint64_t end) {
  INSTAR_ASSIGN_OR_RETURN(auto* const l1, change_.L1());
  const auto is_empty = [](std::uint64_t entry) { return L2TableOffset(entry) == 0; };
  const auto begin = l1->begin() + static_cast<std::ptrdiff_t>(first);
  const auto stop = l1->begin() + static_cast<std::ptrdiff_t>(end);
  if (!std::all_of(begin, stop, is_empty)) {
    const auto tables = std::span<const std::uint64_t>(*l1).subspan(first, end - first);
    INSTAR_TRY(change_.DropMany([&](const auto& visit) {
      return VisitReferences(change_.device(), header_, tables, visit);
    }));
  }
  std::fill(begin, stop, 0);
  selected_ = kNoTable;
  return {};
}

Status MappingChange::MoveTablesFrom(std::uint64_t offset) {
  INSTAR_ASSIGN_OR_RETURN(const auto* const l1, change_.L1());
  for (std::uint64_t i = 0; i < l1->size(); ++i) {
    if (L2TableOffset((*l1)[i]) < offset) continue;
    INSTAR_TRY(Select(i));
    dirty_ = true;
    INSTAR_TRY(Keep());
  }
  return Finish();
}

}  // namespace instar::qcow2
