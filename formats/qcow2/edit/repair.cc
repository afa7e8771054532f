#include "formats/qcow2/edit/repair.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/check/check.h"
#include "formats/qcow2/check/survey.h"
#include "formats/qcow2/edit/copied_flags.h"
#include "formats/qcow2/edit/damaged_tables.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/edit/move_down.h"
#include "formats/qcow2/edit/repair_findings.h"
#include "formats/qcow2/read/refcount_reader.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {
namespace {

using WrongCount = Survey::WrongCount;

class NoFindings final : public FindingSink {
 public:
  explicit NoFindings(FindingSink& sink) : sink_(sink) {}
  void Add(const Finding&) override {}
  void Proceed(std::uint64_t done, std::uint64_t total) override { sink_.Proceed(done, total); }

 private:
  FindingSink& sink_;
};

class Repairer {
 public:
  Repairer(const RepairOptions& options, const Header& header, HeaderExtensions extensions)
      : options_(options), header_(header), extensions_(std::move(extensions)) {
    damage_.mode = options.mode;
  }

  Result<RepairCounts> Run();

 private:
  // Corrects the counts that differ, as far as the mode allows.
  class Corrector final : public Survey::CountSink {
   public:
    // `own`: clusters, in order, whose counts are raised in any case.
    Corrector(ImageChange& change, bool may_raise, bool may_lower,
              std::span<const std::uint64_t> own)
        : change_(change), may_raise_(may_raise), may_lower_(may_lower), own_(own) {}
    Status Add(const WrongCount& wrong) override {
      const bool raises = wrong.references > wrong.on_disk;
      if (!(raises ? may_raise_ || IsOwn(wrong.cluster) : may_lower_)) return {};
      return change_.Count({wrong.cluster, 1}, static_cast<std::int64_t>(wrong.references) -
                                                   static_cast<std::int64_t>(wrong.on_disk));
    }

   private:
    [[nodiscard]] bool IsOwn(std::uint64_t cluster) const {
      return std::ranges::binary_search(own_, cluster);
    }

    ImageChange& change_;
    const bool may_raise_;
    const bool may_lower_;
    const std::span<const std::uint64_t> own_;
  };
  [[nodiscard]] Corrector CorrectorOf(ImageChange& change) const {
    return {change, all(), !damage_.unseen || fresh_counts_, own_};
  }
  Status FindOwn();

  [[nodiscard]] bool all() const { return options_.mode == RepairMode::kAll; }
  [[nodiscard]] CheckOptions CheckWith(FindingSink& sink) const {
    return {.device = options_.image, .findings = &sink, .workers = options_.workers};
  }
  Status LookOver();
  // What the refcount of the cluster of `flag` will be: one or not.
  [[nodiscard]] const WrongCount* WrongCountOf(std::uint64_t cluster) const;
  [[nodiscard]] bool CountMakesFlagsWrong() const;
  void JudgeFlags();
  Status FindConflicts();
  Result<bool> RefcountsInConflict() const;
  [[nodiscard]] bool ChangesHeader() const;
  // Whether the repaired image has nothing that is wrong or cannot be read.
  [[nodiscard]] bool IsSoundAfter() const {
    return corruptions_left_ == 0 && found_.check_errors == 0;
  }
  Status Change();
  Status Make(ImageChange& change);
  Status RewriteTables(ImageChange& change);
  [[nodiscard]] ImageChange::Damaged Room() const;
  Status CorrectCounts(ImageChange& change);
  Status CountAnew(ImageChange& change, const Header& header, const HeaderExtensions& extensions);
  [[nodiscard]] std::uint64_t ClustersInFile() const {
    return DivideRoundUp(options_.image->size_bytes(), header_.cluster_bytes());
  }
  Status CountWhatFileReaches(ImageChange& change);
  Status CorrectFlags(ImageChange& change, std::uint64_t* corrected);
  void SetHeader(ImageChange& change) const;
  [[nodiscard]] RepairCounts Planned() const;

  const RepairOptions& options_;
  const Header header_;
  const HeaderExtensions extensions_;
  Damage damage_;
  Survey survey_;
  CheckCounts found_;
  std::uint64_t leaks_fixed_ = 0;
  std::uint64_t corruptions_fixed_ = 0;
  std::uint64_t corruptions_left_ = 0;  // that nothing is done about
  std::uint64_t flags_ = 0;             // that will be wrong once the counts are right
  bool corrects_flags_ = false;
  bool rewrites_ = false;  // tables
  bool fresh_counts_ = false;
  SharedPlaces shared_;
  // With -r leaks: the refcount table and its blocks, which move. Who else refers to their places
  // must be counted.
  std::vector<std::uint64_t> own_;
  std::uint64_t flags_corrected_ = 0;
  std::uint64_t counted_before_ = 0;  // clusters below have been in the file when all was counted
};

Status Repairer::LookOver() {
  survey_.damage = &damage_;
  RepairFindings findings(*options_.findings, damage_);
  INSTAR_ASSIGN_OR_RETURN(found_, CheckAs(CheckWith(findings), header_, extensions_, {}, &survey_));
  leaks_fixed_ = findings.leaks();
  corruptions_fixed_ = findings.corruptions();
  corruptions_left_ = found_.corruptions - corruptions_fixed_;
  std::ranges::sort(survey_.wrong_counts, {}, &WrongCount::cluster);
  std::ranges::sort(damage_.flags);
  if (!all() && (damage_.uncounted || damage_.lost_counts || found_.check_errors != 0)) {
    return Corrupt(
        "leaks cannot be told from what is in use before the refcounts are repaired "
        "(check -r all)");
  }
  fresh_counts_ = damage_.lost_counts;
  if (all()) INSTAR_TRY(FindConflicts());
  rewrites_ = all() && (damage_.entries || damage_.lost_counts || damage_.snapshots ||
                        damage_.bitmaps || damage_.more_counts || shared_.AnyInConflict());
  JudgeFlags();
  return {};
}

Status Repairer::FindConflicts() {
  const bool sound = found_.corruptions == 0 && found_.leaks == 0 && damage_.flags.empty();
  if (sound || damage_.more_shared) return {};
  INSTAR_ASSIGN_OR_RETURN(
      shared_, FindUses(*options_.image, header_, extensions_, std::move(damage_.shared)));
  if (shared_.AnyInConflict() && !fresh_counts_) {
    INSTAR_ASSIGN_OR_RETURN(fresh_counts_, RefcountsInConflict());
  }
  return {};
}

// Whether the refcount table, or a block, shares its place with something.
Result<bool> Repairer::RefcountsInConflict() const {
  const std::uint64_t first = header_.refcount_table_offset >> header_.cluster_bits;
  for (std::uint64_t i = 0; i < header_.refcount_table_clusters; ++i) {
    if (shared_.InConflict(first + i)) return true;
  }
  RefcountReader refcounts(*options_.image, header_, 0);
  for (std::uint64_t i = 0; i < refcounts.table_entries(); ++i) {
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t entry, refcounts.TableEntry(i));
    if (entry != 0 && shared_.InConflict(entry >> header_.cluster_bits)) return true;
  }
  return false;
}

const WrongCount* Repairer::WrongCountOf(std::uint64_t cluster) const {
  const auto& wrong = survey_.wrong_counts;
  const auto at = std::ranges::lower_bound(wrong, cluster, {}, &WrongCount::cluster);
  const bool found = at != wrong.end() && at->cluster == cluster;
  return found && (all() || at->references < at->on_disk) ? &*at : nullptr;
}

// Whether a flag that agrees with the refcount on disk may contradict the corrected one.
bool Repairer::CountMakesFlagsWrong() const {
  return std::ranges::any_of(survey_.wrong_counts, [&](const WrongCount& wrong) {
    if (wrong.references == 0 || (!all() && wrong.references > wrong.on_disk)) return false;
    if ((wrong.references == 1) == (wrong.on_disk == 1)) return false;
    const auto at =
        std::ranges::lower_bound(damage_.flags, wrong.cluster, {}, &Damage::WrongFlag::cluster);
    const bool told = at != damage_.flags.end() && at->cluster == wrong.cluster;
    return wrong.references > 1 || !told;
  });
}

// Tells of the flags that are wrong, for which the refcounts have to be right.
void Repairer::JudgeFlags() {
  // With -r leaks they are set only where all refcounts are right by then.
  const bool fixes = all() || (corruptions_left_ == 0 && !damage_.unseen);
  for (const Damage::WrongFlag& flag : damage_.flags) {
    const bool copied = (flag.entry & kCopied) != 0;
    const WrongCount* const wrong = WrongCountOf(flag.cluster);
    const bool one = wrong == nullptr ? !copied : wrong->references == 1;
    if (one == copied) continue;
    ++flags_;
    options_.findings->Add(
        {.message = flag.of_table ? "the COPIED flag of L1 entry {0x} contradicts the refcount of "
                                    "the L2 table at {1x}"
                                  : "the COPIED flag of L2 entry {0x} contradicts the refcount of "
                                    "the cluster at {1x}",
         .numbers = {flag.entry, flag.cluster << header_.cluster_bits},
         .fix = {.kind = fixes ? FixKind::kCopied : FixKind::kNone,
                 .where = flag.cluster << header_.cluster_bits,
                 .from = flag.entry,
                 .to = flag.entry ^ kCopied}});
  }
  corrects_flags_ = fixes && (flags_ != 0 || damage_.more_flags || damage_.more_counts ||
                              rewrites_ || CountMakesFlagsWrong());
  if (!fixes) corruptions_left_ += flags_;
}

bool Repairer::ChangesHeader() const {
  const std::uint64_t bits = header_.incompatible_features;
  return (bits & kIncompatDirty) != 0 || ((bits & kIncompatCorrupt) != 0 && IsSoundAfter());
}

RepairCounts Repairer::Planned() const {
  RepairCounts counts{
      .left = found_, .corruptions_fixed = corruptions_fixed_, .leaks_fixed = leaks_fixed_};
  counts.left.corruptions = corruptions_left_;
  counts.left.leaks -= leaks_fixed_;
  if (corrects_flags_) counts.corruptions_fixed += flags_;
  return counts;
}

// Where what is new may stand.
ImageChange::Damaged Repairer::Room() const {
  ImageChange::Damaged room{.header = header_,
                            .extensions = extensions_,
                            .free = survey_.free,
                            .end = survey_.end,
                            .fresh_counts = fresh_counts_,
                            .keep_tail = damage_.unseen};
  const std::uint64_t in_file = ClustersInFile();
  if (damage_.unseen) {
    room.free.clear();
    room.end = std::max(room.end, in_file);
  }
  // Clusters that are not in the file and referred to read as zeros, and go on to. Those that are
  // counted are better left out: the damaged image would have leaks there.
  const bool grows = !options_.device->has_fixed_length();
  std::vector<ClusterRun> used = damage_.behind_end;
  used.insert(used.end(), damage_.counted_behind_end.begin(), damage_.counted_behind_end.end());
  std::ranges::sort(used, {}, &ClusterRun::first);
  for (const ClusterRun& run : used) {
    if (grows && run.first > room.end) AddRun(room.free, {room.end, run.first - room.end});
    room.end = std::max(room.end, run.end());
  }
  return room;
}

Result<RepairCounts> Repairer::Run() {
  INSTAR_TRY(LookOver());
  const RepairCounts planned = Planned();
  const bool changes = leaks_fixed_ != 0 || corruptions_fixed_ != 0 || corrects_flags_ ||
                       rewrites_ || ChangesHeader() || (all() && !survey_.wrong_counts.empty());
  if (options_.device == nullptr) return planned;
  RepairCounts counts = planned;
  if (!changes) {
    // Of what reaches behind the end of the file a repair counts more than a check does.
    if (damage_.behind_end.empty()) return counts;
    NoFindings none(*options_.findings);
    INSTAR_ASSIGN_OR_RETURN(counts.left, Check(CheckWith(none)));
    return counts;
  }
  INSTAR_TRY(Change());
  LeftFindings left(*options_.findings);
  counts.corruptions_fixed = corruptions_fixed_ + flags_corrected_;
  INSTAR_ASSIGN_OR_RETURN(counts.left, Check(CheckWith(left)));
  return counts;
}

Status Repairer::Change() {
  std::optional<FileTail> tail;
  {
    INSTAR_ASSIGN_OR_RETURN(const auto change,
                            ImageChange::OpenDamaged(*options_.device, options_.workers, Room()));
    if (const Status made = Make(*change); !made) {
      change->Undo();
      return made;
    }
    // Another change would touch what this one was to leave.
    if (IsSoundAfter()) tail = change->movable_tail();
  }
  if (tail && IsWorthMoving(*tail)) {
    // The image is repaired: if this fails, the file is longer than it could be.
    IgnoreFailure(MoveDown(*options_.device, options_.workers, *tail));
  }
  return {};
}

Status Repairer::Make(ImageChange& change) {
  INSTAR_TRY(rewrites_ ? RewriteTables(change) : CorrectCounts(change));
  if (corrects_flags_) INSTAR_TRY(CorrectFlags(change, &flags_corrected_));
  if (all()) INSTAR_TRY(CountWhatFileReaches(change));
  // What stands at the end of the file afterwards may be moved only where L2 tables are known.
  INSTAR_TRY(change.L1());
  SetHeader(change);
  return change.Commit();
}

Status Repairer::RewriteTables(ImageChange& change) {
  change.StopCounting();
  INSTAR_TRY(DamagedTables(change, damage_, shared_, *options_.findings).Rewrite());
  INSTAR_TRY(change.ResumeCounting());
  Header header = change.header().header;
  if (fresh_counts_) header.refcount_table_offset = header.refcount_table_clusters = 0;
  HeaderExtensions extensions = extensions_;
  extensions.bitmaps = change.header().bitmaps;
  return CountAnew(change, header, extensions);
}

Status Repairer::FindOwn() {
  const std::uint64_t first = header_.refcount_table_offset >> header_.cluster_bits;
  for (std::uint64_t i = 0; i < header_.refcount_table_clusters; ++i) own_.push_back(first + i);
  RefcountReader refcounts(*options_.image, header_, 0);
  for (std::uint64_t i = 0; i < refcounts.table_entries(); ++i) {
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t entry, refcounts.TableEntry(i));
    if (entry != 0) own_.push_back(entry >> header_.cluster_bits);
  }
  std::ranges::sort(own_);
  return {};
}

Status Repairer::CorrectCounts(ImageChange& change) {
  if (!all()) INSTAR_TRY(FindOwn());
  if (damage_.more_counts) return CountAnew(change, header_, extensions_);
  Corrector corrector = CorrectorOf(change);
  for (const WrongCount& wrong : survey_.wrong_counts) INSTAR_TRY(corrector.Add(wrong));
  return {};
}

// Counts the references of an image that says what `header` and `extensions` say.
Status Repairer::CountAnew(ImageChange& change, const Header& header,
                           const HeaderExtensions& extensions) {
  Corrector corrector = CorrectorOf(change);
  Damage damage{.mode = options_.mode};
  Survey survey{.recount = true, .counts = &corrector, .damage = &damage};
  NoFindings none(*options_.findings);
  INSTAR_TRY(change.ApplyCounts());
  INSTAR_TRY(CheckAs(CheckWith(none), header, extensions, {}, &survey));
  // Those that are not in the file.
  for (const WrongCount& wrong : survey.wrong_counts) INSTAR_TRY(corrector.Add(wrong));
  counted_before_ = ClustersInFile();
  return {};
}

// What refers to clusters behind the end of the file is not counted, unless the file comes to have
// them by this change.
Status Repairer::CountWhatFileReaches(ImageChange& change) {
  if (damage_.behind_end.empty()) return {};
  INSTAR_TRY(change.ApplyCounts());
  // What is still to be taken: the refcount table, and blocks.
  const std::uint64_t blocks =
      ClustersInFile() >> (header_.cluster_bits + 3 - header_.refcount_order);
  const std::uint64_t end = change.taken_end() + 8 + 2 * blocks;
  if (change.taken_end() <= damage_.behind_end.front().first) return {};
  RefcountReader refcounts(*options_.image, header_, 0);
  bool any = false;
  std::uint64_t done = counted_before_;
  for (const ClusterRun& run : damage_.behind_end) {
    for (std::uint64_t cluster = std::max(run.first, done); cluster < std::min(run.end(), end);
         ++cluster) {
      done = cluster + 1;
      if (!fresh_counts_) {
        INSTAR_ASSIGN_OR_RETURN(const auto on_disk, refcounts.At(cluster));
        if (on_disk.value_or(0) != 0) continue;  // set right before
      }
      const std::uint64_t references =
          std::min(damage_.ReferencesBehindEnd(cluster), MaxRefcount(header_.refcount_order));
      INSTAR_TRY(change.Count({cluster, 1}, static_cast<std::int64_t>(references)));
      any = true;
    }
  }
  return any ? CorrectFlags(change, nullptr) : Status();
}

Status Repairer::CorrectFlags(ImageChange& change, std::uint64_t* corrected) {
  INSTAR_ASSIGN_OR_RETURN(auto* const l1, change.L1());
  const std::vector<std::uint64_t> before = *l1;
  std::vector<std::uint64_t> dropped;
  change.set_has_wrong_flags();
  INSTAR_TRY(SetCopiedFlags(change, *l1, corrected));
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::uint64_t table = L2TableOffset(before[i]);
    if (table == L2TableOffset((*l1)[i])) continue;
    INSTAR_TRY(change.Drop({table >> header_.cluster_bits, 1}));
    dropped.push_back(table >> header_.cluster_bits);
  }
  // Where something else refers to the place of such a table, it may be the only one now.
  INSTAR_TRY(change.ApplyCounts());
  bool again = false;
  for (const std::uint64_t cluster : dropped) {
    std::uint64_t ones = 0;
    INSTAR_TRY(change.counts().FindOnes(cluster / 64 * 64, {&ones, 1}));
    again = again || (ones >> cluster % 64 & 1) != 0;
  }
  return again ? SetCopiedFlags(change, *l1) : Status();
}

void Repairer::SetHeader(ImageChange& change) const {
  std::uint64_t& bits = change.header().header.incompatible_features;
  const bool sound = IsSoundAfter();
  // The change clears the dirty bit, for its counts are right.
  if (!all() && !sound) bits |= header_.incompatible_features & kIncompatDirty;
  if ((header_.incompatible_features & kIncompatCorrupt) == 0) return;
  if (sound || (all() && corruptions_left_ == 0)) bits &= ~kIncompatCorrupt;
  options_.findings->Add(
      {.kind = FindingKind::kWarning,
       .message = corruptions_left_ == 0
                      ? "the image was marked as corrupt; nothing is, and the mark is cleared"
                      : "the image stays marked as corrupt, because not all could be repaired"});
}

}  // namespace

Result<RepairCounts> Repair(const RepairOptions& options) {
  ReadWindow file(*options.image, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, Header::kFullBytes));
  INSTAR_ASSIGN_OR_RETURN(const Header header, Header::DecodeFrom(bytes));
  INSTAR_TRY(header.Validate());
  INSTAR_ASSIGN_OR_RETURN(HeaderExtensions extensions, HeaderExtensions::ReadFrom(file, header));
  return Repairer(options, header, std::move(extensions)).Run();
}

}  // namespace instar::qcow2
