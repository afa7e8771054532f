#include "formats/qcow2/edit/snapshots.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/edit/copied_flags.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/edit/move_down.h"
#include "formats/qcow2/edit/reference_walk.h"
#include "formats/qcow2/edit/snapshot_list.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

using L1Table = std::vector<std::uint64_t>;

class SnapshotChange {
 public:
  SnapshotChange(ImageChange& change, const SnapshotOptions& options)
      : change_(change), options_(options), header_(change.old_header()), list_(change) {}

  Status Create();
  Status Apply();
  Status Delete();

 private:
  [[nodiscard]] std::uint64_t Clusters(std::uint64_t entries) const {
    return DivideRoundUp(entries * kTableEntryBytes, header_.cluster_bytes());
  }
  Result<L1Table> ReadL1(std::uint64_t offset, std::uint64_t entries) const;
  // Writes the L1 table of a new snapshot; its place.
  Result<std::uint64_t> WriteL1(std::span<const std::uint64_t> l1);
  // Counts `delta` references for everything that `l1` leads to.
  template <typename Visit>
  Status Count(std::span<const std::uint64_t> l1, std::int64_t delta, const Visit& visit) const {
    return VisitReferences(change_.device(), header_, l1,
                           [&](const ClusterRun& run) { return visit(run, delta); });
  }  // Counts a reference less for the tables of `old` that have another place in `l1`.
  template <typename Visit>
  Status DropMoved(std::span<const std::uint64_t> old, std::span<const std::uint64_t> l1,
                   const Visit& visit) const {
    for (std::size_t i = 0; i < old.size(); ++i) {
      const std::uint64_t table = L2TableOffset(old[i]);
      if (table == L2TableOffset(l1[i])) continue;
      INSTAR_TRY(visit(ClusterRun{table >> header_.cluster_bits, 1}, -1));
    }
    return {};
  }

  ImageChange& change_;
  const SnapshotOptions& options_;
  const Header& header_;
  SnapshotList list_;
};

Result<L1Table> SnapshotChange::ReadL1(std::uint64_t offset, std::uint64_t entries) const {
  std::vector<std::byte> bytes(entries * kTableEntryBytes);
  INSTAR_TRY(change_.device().Read(offset, bytes));
  L1Table l1(entries);
  for (std::size_t i = 0; i < l1.size(); ++i) l1[i] = LoadBe64(bytes, i * kTableEntryBytes);
  return l1;
}

Result<std::uint64_t> SnapshotChange::WriteL1(std::span<const std::uint64_t> l1) {
  if (l1.empty()) return std::uint64_t{0};
  std::vector<std::byte> bytes(l1.size() * kTableEntryBytes);
  for (std::size_t i = 0; i < l1.size(); ++i) StoreBe64(bytes, i * kTableEntryBytes, l1[i]);
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, change_.Take(Clusters(l1.size())));
  INSTAR_TRY(change_.Write(place, bytes));
  return place;
}

// The words of what cannot be are qemu-img's.
Status SnapshotChange::Create() {
  if (header_.has_data_file()) return Unsupported("Operation not supported");
  INSTAR_TRY(list_.CheckMayAppend(options_.name));
  INSTAR_ASSIGN_OR_RETURN(const std::vector<char> id, list_.NewId());
  INSTAR_ASSIGN_OR_RETURN(auto* const l1, change_.L1());
  const L1Table old = *l1;
  INSTAR_TRY(ClearCopiedFlags(change_, *l1));
  for (std::uint64_t& entry : *l1) entry &= ~kCopied;  // new tables, too, are the snapshot's
  INSTAR_TRY(change_.CountMany([&](const auto& visit) {
    const Status counted = Count(*l1, 1, visit);
    return counted ? DropMoved(old, *l1, visit) : counted;
  }));
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, WriteL1(*l1));
  const SnapshotEntry entry{.l1_table_offset = place,
                            .l1_entries = static_cast<std::uint32_t>(l1->size()),
                            .date_seconds = options_.date_seconds,
                            .date_nanoseconds = options_.date_nanoseconds,
                            .disk_size_bytes = header_.virtual_size_bytes,
                            .icount = 0};
  INSTAR_TRY(list_.Append(entry, {id.data(), id.size()}, options_.name));
  return change_.Commit();
}

Status SnapshotChange::Delete() {
  INSTAR_ASSIGN_OR_RETURN(const auto found, list_.Find(SnapshotList::Match::kName, options_.name));
  if (!found) return MakeError(ErrorCode::kNotFound, "snapshot not found");
  if (header_.has_data_file()) return Unsupported("Operation not supported");
  const SnapshotEntry& entry = found->entry;
  INSTAR_ASSIGN_OR_RETURN(const L1Table old, ReadL1(entry.l1_table_offset, entry.l1_entries));
  INSTAR_TRY(change_.CountMany([&](const auto& visit) { return Count(old, -1, visit); }));
  if (entry.l1_entries != 0) {
    const std::uint64_t place = entry.l1_table_offset >> header_.cluster_bits;
    INSTAR_TRY(change_.Drop({place, Clusters(entry.l1_entries)}));
  }
  INSTAR_ASSIGN_OR_RETURN(auto* const l1, change_.L1());
  const L1Table before = *l1;
  INSTAR_TRY(SetCopiedFlags(change_, *l1));
  INSTAR_TRY(change_.CountMany([&](const auto& visit) { return DropMoved(before, *l1, visit); }));
  INSTAR_TRY(list_.Remove(*found));
  return change_.Commit();
}

Status SnapshotChange::Apply() {
  if (change_.extensions().bitmaps) return Unsupported("Device has active dirty bitmaps");
  if (header_.has_data_file()) {
    return Unsupported("Failed to load snapshot: Operation not supported");
  }
  auto found = list_.Find(SnapshotList::Match::kId, options_.name);
  if (found && !*found) found = list_.Find(SnapshotList::Match::kName, options_.name);
  if (!found) return std::unexpected(found.error());
  if (!*found) {
    return MakeError(ErrorCode::kNotFound, "Failed to load snapshot: No such file or directory");
  }
  const SnapshotEntry& entry = (*found)->entry;
  const std::uint64_t disk_bytes = entry.disk_size_bytes.value_or(header_.virtual_size_bytes);
  const std::uint64_t disk_entries = DivideRoundUp(disk_bytes, header_.l1_entry_covers_bytes());
  if (disk_entries > kMaxL1Bytes / kTableEntryBytes) {
    return OverLimit("the snapshot's disk of {0} bytes needs too long an L1 table", disk_bytes);
  }
  const std::uint64_t stored = std::min<std::uint64_t>(entry.l1_entries, disk_entries);
  INSTAR_ASSIGN_OR_RETURN(L1Table applied, ReadL1(entry.l1_table_offset, stored));
  applied.resize(std::max<std::uint64_t>(disk_entries, 1));
  INSTAR_ASSIGN_OR_RETURN(auto* const l1, change_.L1());
  // Where both lead to the same table nothing changes.
  L1Table left = *l1;
  L1Table added = applied;
  for (std::size_t i = 0; i < std::min(left.size(), added.size()); ++i) {
    if (L2TableOffset(left[i]) == L2TableOffset(added[i])) left[i] = added[i] = 0;
  }
  *l1 = applied;
  INSTAR_TRY(ClearCopiedFlags(change_, *l1));
  INSTAR_TRY(change_.CountMany([&](const auto& visit) {
    Status counted = Count(left, -1, visit);
    if (counted) counted = Count(added, 1, visit);
    return counted ? DropMoved(applied, *l1, visit) : counted;
  }));
  change_.header().header.virtual_size_bytes = disk_bytes;
  return change_.Commit();
}

using Action = Status (SnapshotChange::*)();

Status Run(const SnapshotOptions& options, Action action) {
  std::optional<FileTail> tail;
  {
    INSTAR_ASSIGN_OR_RETURN(const auto change, ImageChange::Open(*options.device, options.workers));
    SnapshotChange snapshots(*change, options);
    if (Status done = (snapshots.*action)(); !done) {
      change->Undo();
      return done;
    }
    // What a new snapshot has made room for it needs itself.
    if (action != Action(&SnapshotChange::Create)) tail = change->movable_tail();
  }
  if (tail && IsWorthMoving(*tail)) {
    // The image is the new one already: if this fails, the file is longer than it could be.
    IgnoreFailure(MoveDown(*options.device, options.workers, *tail));
  }
  return {};
}

}  // namespace

Status CreateSnapshot(const SnapshotOptions& options) {
  return Run(options, &SnapshotChange::Create);
}

Status ApplySnapshot(const SnapshotOptions& options) {
  return Run(options, &SnapshotChange::Apply);
}

Status DeleteSnapshot(const SnapshotOptions& options) {
  return Run(options, &SnapshotChange::Delete);
}

}  // namespace instar::qcow2
