#include "formats/qcow2/edit/image_change.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/base/run_cache.h"
#include "formats/check.h"
#include "formats/qcow2/check/check.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::qcow2 {
namespace {

// Collects the clusters of all L1 tables of snapshots, and the length of the snapshot table.
class SnapshotClusters final : public SnapshotVisitor {
 public:
  SnapshotClusters(unsigned cluster_bits, std::vector<std::uint64_t>& clusters)
      : cluster_bits_(cluster_bits), clusters_(clusters) {}
  bool Visit(const SnapshotEntry& entry, std::string_view, std::string_view) override {
    Add(entry.l1_table_offset, entry.l1_entries * kTableEntryBytes);
    table_bytes_ += entry.encoded_bytes();
    return true;
  }
  void Add(std::uint64_t offset, std::uint64_t bytes) {
    const std::uint64_t end = DivideRoundUp(offset + bytes, std::uint64_t{1} << cluster_bits_);
    for (std::uint64_t at = offset >> cluster_bits_; at < end; ++at) clusters_.push_back(at);
  }
  [[nodiscard]] std::uint64_t table_bytes() const { return table_bytes_; }

 private:
  const unsigned cluster_bits_;
  std::vector<std::uint64_t>& clusters_;
  std::uint64_t table_bytes_ = 0;
};

// Keeps the first finding that forbids a change.
class ObstacleSink final : public FindingSink {
 public:
  explicit ObstacleSink(Survey& survey) : survey_(survey) {}
  void Add(const Finding& finding) override {
    const bool stops = finding.kind == FindingKind::kError ||
                       (finding.kind == FindingKind::kCorruption && !finding.harmless);
    if (stops && !survey_.obstacle) survey_.obstacle = finding;
    if (finding.harmless) survey_.harmless = true;
  }

 private:
  Survey& survey_;
};

}  // namespace

ImageChange::ImageChange(TargetDevice& device, Workers* workers, const Header& header,
                         HeaderExtensions extensions)
    : device_(device),
      workers_(workers),
      old_(header),
      extensions_(std::move(extensions)),
      header_{.header = header, .bitmaps = extensions_.bitmaps} {
  header_.header.incompatible_features &= ~kIncompatDirty;
}

Result<std::unique_ptr<ImageChange>> ImageChange::Open(TargetDevice& device, Workers* workers) {
  ReadWindow file(device, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, Header::kFullBytes));
  INSTAR_ASSIGN_OR_RETURN(const Header header, Header::DecodeFrom(bytes));
  INSTAR_TRY(header.Validate());
  if ((header.incompatible_features & kIncompatCorrupt) != 0) {
    return Corrupt("the image is marked as corrupt: it has to be repaired first (check -r)");
  }
  if (header.crypt_method != kCryptNone) {
    return Unsupported("encrypted images cannot be changed by this version");
  }
  INSTAR_ASSIGN_OR_RETURN(HeaderExtensions extensions, HeaderExtensions::ReadFrom(file, header));
  return std::unique_ptr<ImageChange>(
      new ImageChange(device, workers, header, std::move(extensions)));
}

Result<std::unique_ptr<ImageChange>> ImageChange::OpenDamaged(TargetDevice& device,
                                                              Workers* workers, Damaged damaged) {
  std::unique_ptr<ImageChange> change(
      new ImageChange(device, workers, damaged.header, std::move(damaged.extensions)));
  change->keep_tail_ = damaged.keep_tail;
  change->cache_bytes_ = kInOrderCacheBytes;
  INSTAR_TRY(change->MakeRoom(std::move(damaged.free), damaged.end, damaged.fresh_counts));
  return change;
}

Status ImageChange::MakeRoom(std::vector<ClusterRun> free, std::uint64_t end, bool fresh_counts) {
  const std::uint64_t most =
      (device_.has_fixed_length() ? device_.size_bytes() : kOffsetMask) >> old_.cluster_bits;
  room_ = std::make_unique<Room>(device_, old_, std::move(free), end, most,
                                 header_.header.refcount_order, fresh_counts, cache_bytes_);
  return room_->refcounts.Load();
}

Status ImageChange::ResumeCounting() {
  INSTAR_TRY(L1());
  const std::uint64_t clusters = L1Clusters(l1_.size());
  if (clusters != 0) {
    INSTAR_ASSIGN_OR_RETURN(header_.header.l1_table_offset, Take(clusters));
    INSTAR_TRY(WriteNewL1());
  }
  l1_placed_ = true;
  counts_ = true;
  return {};
}

Result<ImageChange::Room*> ImageChange::LookOver() {
  if (room_ != nullptr) return room_.get();
  Survey survey{.recount = (old_.incompatible_features & kIncompatDirty) != 0};
  ObstacleSink findings(survey);
  INSTAR_TRY(Check({.device = &device_, .findings = &findings, .workers = workers_}, {}, &survey));
  if (survey.obstacle) {
    return Corrupt("the image has errors that have to be repaired first (check -r all)");
  }
  INSTAR_TRY(MakeRoom(std::move(survey.free), survey.end, /*fresh_counts=*/false));
  has_wrong_flags_ = survey.harmless;
  for (const Survey::WrongCount& wrong : survey.wrong_counts) {
    room_->refcounts.Change({wrong.cluster, 1}, static_cast<std::int64_t>(wrong.references) -
                                                    static_cast<std::int64_t>(wrong.on_disk));
  }
  INSTAR_TRY(room_->transaction.CutTail());
  INSTAR_TRY(room_->refcounts.ApplyChanges());
  return room_.get();
}

template <typename Visit>
Result<bool> ImageChange::VisitOldL1(std::uint64_t entries, const Visit& visit) const {
  std::vector<std::byte> piece(std::min(entries, kPieceEntries) * kTableEntryBytes);
  for (std::uint64_t first = 0; first < entries; first += kPieceEntries) {
    const std::uint64_t count = std::min(entries - first, kPieceEntries);
    const std::span bytes = std::span(piece).first(count * kTableEntryBytes);
    INSTAR_TRY(device_.Read(old_.l1_table_offset + first * kTableEntryBytes, bytes));
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!visit(first + i, LoadBe64(bytes, i * kTableEntryBytes))) return false;
    }
  }
  return true;
}

Result<std::vector<std::uint64_t>*> ImageChange::L1() {
  if (has_l1_) return &l1_;
  l1_.resize(old_.l1_entries);
  INSTAR_TRY(VisitOldL1(old_.l1_entries, [&](std::uint64_t index, std::uint64_t entry) {
    l1_[index] = entry;
    return true;
  }));
  has_l1_ = true;
  return &l1_;
}

Result<std::uint64_t> ImageChange::Take(std::uint64_t count) {
  INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t first, room->space.Take(count));
  if (counts_) room->refcounts.Change({first, count}, 1);
  return first << old_.cluster_bits;
}

Result<ClusterRun> ImageChange::TakeSome(std::uint64_t count) {
  INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
  INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, room->space.TakeSome(count));
  if (counts_) room->refcounts.Change(run, 1);
  return run;
}

Result<ClusterRun> ImageChange::TakeLowest(std::uint64_t count) {
  INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
  INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, room->space.TakeLowest(count));
  room->refcounts.Change(run, 1);
  return run;
}

Status ImageChange::CoverTaken() {
  if (room_ == nullptr || room_->space.taken().empty() || device_.has_fixed_length()) return {};
  // Not all that was written there went through the device, which may know of a shorter file.
  const std::uint64_t end = room_->space.taken().back().end() << old_.cluster_bits;
  return device_.size_bytes() >= end ? Status() : device_.Resize(end, Preallocation::kOff);
}

Status ImageChange::RequireRoom(std::uint64_t count) {
  INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
  return room->space.Require(count);
}

Status ImageChange::Count(const ClusterRun& run, std::int64_t delta) {
  INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
  if (!counts_) return {};
  room->refcounts.Change(run, delta);
  return room->refcounts.ApplyIfMany();
}

Status ImageChange::ApplyCounts() {
  INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
  return room->refcounts.ApplyChanges();
}

Status ImageChange::ReadyToWrite(const ClusterRun& run) {
  INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
  return room->transaction.ReadyToWrite(run.first << old_.cluster_bits,
                                        run.count << old_.cluster_bits);
}

Status ImageChange::Write(std::uint64_t offset, std::span<const std::byte> data) {
  INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
  INSTAR_TRY(room->transaction.Write(offset, data));
  const std::uint64_t rest = -data.size() % cluster_bytes();
  return rest == 0 ? Status() : room->transaction.Zero(offset + data.size(), rest);
}

Status ImageChange::WriteAll(std::span<const WritePiece> pieces) {
  INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
  return room->transaction.WriteAll(pieces);
}

Status ImageChange::Provide(const ClusterRun& run, Preallocation preallocation) {
  INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
  Transaction& transaction = room->transaction;
  const std::uint64_t begin = run.first << old_.cluster_bits;
  const std::uint64_t end = run.end() << old_.cluster_bits;
  const std::uint64_t length = transaction.file_bytes();
  if (begin < length) INSTAR_TRY(transaction.Zero(begin, std::min(end, length) - begin));
  return transaction.Lengthen(end, preallocation);
}

Status ImageChange::MoveFrom(std::uint64_t offset) {
  INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
  INSTAR_TRY(L1());
  move_l1_ = old_.l1_table_offset >= offset;
  room->refcounts.MoveFrom(offset);
  return {};
}

// Whether the L1 table keeps its place: no entry changes, and those that it grows by are zeros.
Result<bool> ImageChange::L1CanStay() const {
  const std::uint64_t room = L1Clusters(old_.l1_entries) * cluster_bytes() / kTableEntryBytes;
  if (move_l1_ || l1_.size() > room) return false;
  return VisitOldL1(l1_.size(),
                    [&](std::uint64_t index, std::uint64_t entry) { return l1_[index] == entry; });
}

std::uint64_t ImageChange::L1Clusters(std::uint64_t entries) const {
  return DivideRoundUp(entries * kTableEntryBytes, cluster_bytes());
}

Status ImageChange::WriteL1() {
  if (!has_l1_) return {};
  const ClusterRun old{old_.l1_table_offset >> old_.cluster_bits, L1Clusters(old_.l1_entries)};
  const std::uint64_t clusters = L1Clusters(l1_.size());
  header_.header.l1_entries = static_cast<std::uint32_t>(l1_.size());
  if (l1_placed_) return WriteNewL1();
  INSTAR_ASSIGN_OR_RETURN(const bool stays, L1CanStay());
  if (stays) {
    return clusters < old.count ? Drop({old.first + clusters, old.count - clusters}) : Status();
  }
  if (old.count != 0) INSTAR_TRY(Drop(old));
  INSTAR_ASSIGN_OR_RETURN(header_.header.l1_table_offset, Take(clusters));
  return WriteNewL1();
}

Status ImageChange::WriteNewL1() {
  // A table may be as large as memory is scarce. The last piece is filled up to its cluster's end.
  std::vector<std::byte> piece(std::min<std::uint64_t>(l1_.size(), kPieceEntries) *
                               kTableEntryBytes);
  for (std::uint64_t first = 0; first < l1_.size(); first += kPieceEntries) {
    const std::uint64_t count = std::min<std::uint64_t>(l1_.size() - first, kPieceEntries);
    const std::span bytes = std::span(piece).first(count * kTableEntryBytes);
    for (std::uint64_t i = 0; i < count; ++i) {
      StoreBe64(bytes, i * kTableEntryBytes, l1_[first + i]);
    }
    INSTAR_TRY(Write(header_.header.l1_table_offset + first * kTableEntryBytes, bytes));
  }
  return {};
}

Status ImageChange::WriteRefcounts(Room& room, std::uint64_t end) {
  INSTAR_TRY(room.refcounts.Finish());
  const std::vector<ClusterRun>& taken = room.space.taken();
  if (!taken.empty() && taken.back().end() << old_.cluster_bits > end) {
    return MakeError(ErrorCode::kNoSpace, "there is no room before {0x}", end);
  }
  header_.header.refcount_table_offset = room.refcounts.table_offset();
  header_.header.refcount_table_clusters =
      static_cast<std::uint32_t>(room.refcounts.table_clusters());
  return {};
}

Status ImageChange::Commit(std::uint64_t end) {
  const bool dirty = (old_.incompatible_features & kIncompatDirty) != 0;
  if (dirty || header_.header.refcount_order != old_.refcount_order) INSTAR_TRY(LookOver());
  INSTAR_TRY(WriteL1());
  const bool counts = room_ != nullptr;
  if (counts) INSTAR_TRY(WriteRefcounts(*room_, end));
  INSTAR_ASSIGN_OR_RETURN(const HeaderWrites writes, PlanHeader(device_, old_, header_));
  if (writes.root.empty()) return {};
  if (!counts)
    room_ =
        std::make_unique<Room>(device_, old_, std::vector<ClusterRun>(), 0, 0, old_.refcount_order,
                               /*fresh_counts=*/false, cache_bytes_);
  for (const HeaderWrites::Piece& piece : writes.before) {
    INSTAR_TRY(room_->transaction.WriteBesideRoot(piece.offset, piece.bytes));
  }
  INSTAR_TRY(room_->transaction.Flip(0, writes.root));
  // A failure here costs storage, and nothing else.
  if (counts && room_->refcounts.changed()) IgnoreFailure(Reclaim(*room_));
  return {};
}

Status ImageChange::FindMovableTail(const ShadowRefcounts& refcounts, std::uint64_t end,
                                    std::uint64_t freed) {
  constexpr std::uint64_t kMostBytes = 64 << 20;  // that it may be worth to move
  if (!has_l1_ || l1_.size() > kMostTables) return {};
  std::vector<std::uint64_t> movable;
  refcounts.AppendOwnClusters(movable);
  const std::uint64_t l1_first = header_.header.l1_table_offset >> old_.cluster_bits;
  for (std::uint64_t i = 0; i < L1Clusters(l1_.size()); ++i) movable.push_back(l1_first + i);
  for (const std::uint64_t entry : l1_) {
    // A table that a snapshot shares would be needed at its old place all the same.
    if ((entry & kCopied) != 0) movable.push_back(L2TableOffset(entry) >> old_.cluster_bits);
  }
  SnapshotClusters snapshots(old_.cluster_bits, movable);
  INSTAR_TRY(VisitSnapshots(device_, header_.header, snapshots));
  snapshots.Add(header_.header.snapshots_offset, snapshots.table_bytes());
  std::ranges::sort(movable);
  INSTAR_ASSIGN_OR_RETURN(std::uint64_t first, refcounts.CountedEnd(movable));
  auto moved = static_cast<std::uint64_t>(movable.end() - std::ranges::lower_bound(movable, first));
  if (moved > freed && freed != 0) {  // as many as there is room for
    moved = freed;
    first = *(movable.end() - static_cast<std::ptrdiff_t>(moved));
  }
  if (first < end && moved <= freed && moved << old_.cluster_bits <= kMostBytes) {
    movable_tail_ =
        FileTail{first << old_.cluster_bits, end << old_.cluster_bits, moved << old_.cluster_bits};
  }
  return {};
}

Status ImageChange::Reclaim(Room& room) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t end, room.refcounts.CountedEnd());
  std::uint64_t freed = 0;
  constexpr std::size_t kAtOnce = 1024;
  std::vector<ByteRange> ranges;
  RunCache runs;
  const auto discard = [&] {
    IgnoreFailure(device_.DiscardAll(ranges));
    ranges.clear();
  };
  const auto give_back = [&](const ClusterRun& run) {
    if (run.first >= end) return;
    const std::uint64_t count = std::min(run.count, end - run.first);
    freed += count;
    const std::uint64_t offset = run.first << old_.cluster_bits;
    const std::uint64_t length = count << old_.cluster_bits;
    // Many may never have been stored.
    const auto stored = offset < device_.size_bytes() ? runs.At(device_, offset, length)
                                                      : Result<FileRun>(FileRun{length, true});
    if (stored && stored->hole && stored->length_bytes >= length) return;
    ranges.push_back({.offset = offset, .length_bytes = length});
    if (ranges.size() == kAtOnce) discard();
  };
  INSTAR_TRY(room.refcounts.VisitFreed(give_back));
  discard();
  if (keep_tail_) return {};
  INSTAR_TRY(FindMovableTail(room.refcounts, end, freed));
  return room.transaction.CutTo(end << old_.cluster_bits);
}

void ImageChange::Undo() {
  if (room_ != nullptr) room_->transaction.Undo();
}

}  // namespace instar::qcow2
