#include "formats/qcow2/edit/image_change.h"

#include <algorithm>
#include <utility>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/check.h"
#include "formats/qcow2/check/check.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

// Keeps the first finding that forbids a change.
class ObstacleSink final : public FindingSink {
 public:
  explicit ObstacleSink(Survey& survey) : survey_(survey) {}
  void Add(const Finding& finding) override {
    const bool stops = finding.kind == FindingKind::kError ||
                       (finding.kind == FindingKind::kCorruption && !finding.harmless);
    if (stops && !survey_.obstacle) survey_.obstacle = finding;
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
  std::unique_ptr<ImageChange> change(
      new ImageChange(device, workers, header, std::move(extensions)));
  if ((header.incompatible_features & kIncompatDirty) != 0) INSTAR_TRY(change->LookOver());
  return change;
}

Status ImageChange::LookOver() {
  if (space_) return {};
  Survey survey{.recount = (old_.incompatible_features & kIncompatDirty) != 0};
  ObstacleSink findings(survey);
  INSTAR_TRY(
      Check({.device = &device_, .findings = &findings, .workers = workers_}, {.survey = &survey}));
  if (survey.obstacle) {
    return Corrupt("the image has errors that have to be repaired first (check -r all)");
  }
  const std::uint64_t most =
      (device_.has_fixed_length() ? device_.size_bytes() : kOffsetMask) >> old_.cluster_bits;
  space_.emplace(std::move(survey.free), survey.end, most);
  transaction_.emplace(device_, *space_, old_.cluster_bits);
  refcounts_.emplace(*transaction_, *space_, old_);
  INSTAR_TRY(refcounts_->Load());
  for (const Survey::WrongCount& wrong : survey.wrong_counts) {
    refcounts_->Change({wrong.cluster, 1}, static_cast<std::int64_t>(wrong.references) -
                                               static_cast<std::int64_t>(wrong.on_disk));
  }
  INSTAR_TRY(transaction_->CutTail());
  return refcounts_->ApplyChanges();
}

Result<std::vector<std::uint64_t>*> ImageChange::L1() {
  if (l1_) return &*l1_;
  const std::uint64_t used = old_.l1_entries * kTableEntryBytes;
  std::vector<std::byte> bytes(DivideRoundUp(used, cluster_bytes()) << old_.cluster_bits);
  INSTAR_TRY(device_.Read(old_.l1_table_offset, bytes));
  old_l1_.resize(bytes.size() / kTableEntryBytes);
  for (std::size_t i = 0; i < old_l1_.size(); ++i) {
    old_l1_[i] = LoadBe64(bytes, i * kTableEntryBytes);
  }
  l1_.emplace(old_l1_.begin(), old_l1_.begin() + old_.l1_entries);
  return &*l1_;
}

Result<std::uint64_t> ImageChange::Take(std::uint64_t count) {
  INSTAR_TRY(LookOver());
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t first, space_->Take(count));
  refcounts_->Change({first, count}, 1);
  return first << old_.cluster_bits;
}

Result<ClusterRun> ImageChange::TakeSome(std::uint64_t count) {
  INSTAR_TRY(LookOver());
  INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, space_->TakeSome(count));
  refcounts_->Change(run, 1);
  return run;
}

Status ImageChange::Drop(const ClusterRun& run) {
  INSTAR_TRY(LookOver());
  refcounts_->Change(run, -1);
  return {};
}

Status ImageChange::Write(std::uint64_t offset, std::span<const std::byte> data) {
  INSTAR_TRY(transaction_->Write(offset, data));
  const std::uint64_t rest = -data.size() % cluster_bytes();
  if (rest == 0) return {};
  const std::vector<std::byte> zeros(rest);
  return transaction_->Write(offset + data.size(), zeros);
}

Status ImageChange::Provide(const ClusterRun& run, Preallocation preallocation) {
  const std::uint64_t begin = run.first << old_.cluster_bits;
  const std::uint64_t end = run.end() << old_.cluster_bits;
  const std::uint64_t length = transaction_->file_bytes();
  if (begin < length) INSTAR_TRY(transaction_->Zero(begin, std::min(end, length) - begin));
  return transaction_->Lengthen(end, preallocation);
}

Status ImageChange::MoveFrom(std::uint64_t offset) {
  INSTAR_TRY(LookOver());
  INSTAR_TRY(L1());
  move_l1_ = old_.l1_table_offset >= offset;
  refcounts_->MoveFrom(offset);
  return {};
}

// Whether the L1 table keeps its place: no entry changes, and those that it grows by are zeros.
bool ImageChange::CanStay(std::uint64_t entries) const {
  if (entries > old_l1_.size()) return false;
  for (std::uint64_t i = 0; i < entries; ++i) {
    if ((*l1_)[i] != old_l1_[i]) return false;
  }
  return true;
}

Status ImageChange::WriteL1() {
  if (!l1_) return {};
  const std::uint64_t entries = l1_->size();
  const auto clusters = [this](std::uint64_t count) {
    return DivideRoundUp(count * kTableEntryBytes, cluster_bytes());
  };
  const ClusterRun old{old_.l1_table_offset >> old_.cluster_bits, clusters(old_.l1_entries)};
  header_.header.l1_entries = static_cast<std::uint32_t>(entries);
  if (!move_l1_ && CanStay(entries)) {
    const std::uint64_t kept = clusters(entries);
    return kept < old.count ? Drop({old.first + kept, old.count - kept}) : Status();
  }
  if (old.count != 0) INSTAR_TRY(Drop(old));
  INSTAR_ASSIGN_OR_RETURN(header_.header.l1_table_offset, Take(clusters(entries)));
  std::vector<std::byte> bytes(entries * kTableEntryBytes);
  for (std::uint64_t i = 0; i < entries; ++i) StoreBe64(bytes, i * kTableEntryBytes, (*l1_)[i]);
  return Write(header_.header.l1_table_offset, bytes);
}

Status ImageChange::Commit(std::uint64_t end) {
  INSTAR_TRY(WriteL1());
  if (refcounts_) {
    INSTAR_TRY(refcounts_->Finish());
    if (const auto& taken = space_->taken();
        !taken.empty() && taken.back().end() << old_.cluster_bits > end) {
      return MakeError(ErrorCode::kNoSpace, "there is no room before {0x}", end);
    }
    header_.header.refcount_table_offset = refcounts_->table_offset();
    header_.header.refcount_table_clusters =
        static_cast<std::uint32_t>(refcounts_->table_clusters());
  }
  INSTAR_ASSIGN_OR_RETURN(const HeaderWrites writes, PlanHeader(device_, old_, header_));
  if (writes.root.empty()) return {};
  if (!transaction_) {
    space_.emplace(std::vector<ClusterRun>(), 0, 0);
    transaction_.emplace(device_, *space_, old_.cluster_bits);
  }
  for (const HeaderWrites::Piece& piece : writes.before) {
    INSTAR_TRY(transaction_->WriteBesideRoot(piece.offset, piece.bytes));
  }
  INSTAR_TRY(transaction_->Flip(0, writes.root));
  // A failure here costs storage, and nothing else.
  if (refcounts_ && refcounts_->changed()) (void)Reclaim();
  return {};
}

Status ImageChange::FindMovableTail(std::uint64_t end, std::uint64_t freed) {
  constexpr std::uint64_t kMostBytes = 64 << 20;  // that it may be worth to move
  if (l1_->size() > kMostTables) return {};
  std::vector<std::uint64_t> movable;
  refcounts_->AppendOwnClusters(movable);
  const Header& header = header_.header;
  const std::uint64_t l1_clusters = DivideRoundUp(l1_->size() * kTableEntryBytes, cluster_bytes());
  for (std::uint64_t i = 0; i < l1_clusters; ++i) {
    movable.push_back((header.l1_table_offset >> old_.cluster_bits) + i);
  }
  for (const std::uint64_t entry : *l1_) {
    // A table that a snapshot shares would be needed at its old place all the same.
    if ((entry & kCopied) != 0) movable.push_back(L2TableOffset(entry) >> old_.cluster_bits);
  }
  std::ranges::sort(movable);
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t first, refcounts_->CountedEnd(movable));
  const auto moved =
      static_cast<std::uint64_t>(movable.end() - std::ranges::lower_bound(movable, first));
  if (first < end && moved <= freed && moved << old_.cluster_bits <= kMostBytes) {
    movable_tail_ = FileTail{first << old_.cluster_bits, end << old_.cluster_bits};
  }
  return {};
}

Status ImageChange::Reclaim() {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t end, refcounts_->CountedEnd());
  std::uint64_t freed = 0;
  INSTAR_TRY(refcounts_->VisitFreed([&](const ClusterRun& run) {
    if (run.first >= end) return;
    const std::uint64_t count = std::min(run.count, end - run.first);
    freed += count;
    (void)device_.Discard(run.first << old_.cluster_bits, count << old_.cluster_bits);
  }));
  if (l1_) INSTAR_TRY(FindMovableTail(end, freed));
  return transaction_->CutTo(end << old_.cluster_bits);
}

void ImageChange::Undo() {
  if (transaction_) transaction_->Undo();
}

}  // namespace instar::qcow2
