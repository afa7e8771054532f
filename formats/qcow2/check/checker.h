// A check of a qcow2 image while it goes on: the state that its parts share. Private to checker.cc
// (windows, and the refcounts on disk), checker_tables.cc (the tables of disks) and
// checker_directories.cc (all other metadata).
#ifndef FORMATS_QCOW2_CHECK_CHECKER_H_
#define FORMATS_QCOW2_CHECK_CHECKER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/read_ahead.h"
#include "formats/base/read_window.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/check.h"
#include "formats/qcow2/check/check.h"
#include "formats/qcow2/check/counted_references.h"
#include "formats/qcow2/check/parallel_l2_count.h"
#include "formats/qcow2/check/parallel_refcounts.h"
#include "formats/qcow2/check/survey.h"
#include "formats/qcow2/read/refcount_reader.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::qcow2 {

class Checker {
 public:
  Checker(const CheckOptions& options, const Header& header, HeaderExtensions extensions,
          const CheckPortions& portions, Survey* survey);

  Result<CheckCounts> Run();

 private:
  // Counts `finding` and tells it.
  void Report(const Finding& finding);
  template <typename... Numbers>
  void Found(FindingKind kind, const char* message, Numbers... numbers) {
    Report({.kind = kind, .message = message, .numbers = {std::uint64_t{numbers}...}});
  }
  // A corruption that shows in an entry itself, and what can be done about it: told once, whatever
  // the number of passes.
  template <typename... Numbers>
  void Corrupted(const Fix& fix, const char* message, Numbers... numbers) {
    if (!first_pass_) return;
    Report({.message = message, .numbers = {std::uint64_t{numbers}...}, .fix = fix});
  }
  // A corruption that changes in place can pass over.
  template <typename... Numbers>
  void FoundHarmless(const char* message, Numbers... numbers) {
    Report({.message = message, .numbers = {std::uint64_t{numbers}...}, .harmless = true});
  }
  // Of a corruption that nothing can be done about.
  static constexpr Fix Beyond(const char* reason) { return {.reason = reason}; }
  // Of one for which an entry becomes another.
  Fix FixEntry(std::uint64_t where, std::uint64_t from, std::uint64_t to);

  Status OpenWindow(std::uint64_t first, std::uint64_t end);
  // A reference to clusters behind the end of the file, which read as zeros.
  void ReferBehindEnd(std::uint64_t offset, std::uint64_t bytes);
  // What a survey learns of the window, and at the end of all, besides what is found.
  void SurveyWindow();
  Status SurveyBehindEnd();
  void SurveyCountBehindEnd(std::uint64_t cluster, std::uint64_t on_disk);
  Status CountReferences();
  // Clusters [first, last] have references or refcounts: those behind this window want another.
  void Want(std::uint64_t first, std::uint64_t last);

  // The header's cluster, all that the active L1 table leads to, and the snapshots. Where tables
  // were counted ahead of their turn, a cluster may reach the most references too early. That is
  // the one thing found that depends on the order; then the walk is made again, in order, and what
  // was told already, by then the same, is not told again.
  Status WalkDisks();
  // Counts a reference to every cluster that [offset, offset + bytes) touches. The last cluster of
  // the file may be cut short; what reaches further is not in the file.
  void Refer(std::uint64_t offset, std::uint64_t bytes);
  // Counts a reference to every cluster that [offset, end) touches.
  void Count(std::uint64_t offset, std::uint64_t end);
  // As Refer, for a table, which a few bytes of another can claim to be of any length. kLimit.
  Status ReferTable(std::uint64_t offset, std::uint64_t bytes);
  Result<std::uint64_t> ZeroEntries(std::uint64_t offset, std::uint64_t entries);
  // COPIED must tell whether the refcount is exactly one.
  Status CheckCopied(std::uint64_t offset, std::uint64_t entry, bool of_table);
  // It does not. A repair looks again when it knows the refcounts as they will be.
  void ContradictsCopied(std::uint64_t offset, std::uint64_t entry, bool of_table);
  [[nodiscard]] Damage* damage() const { return survey_ == nullptr ? nullptr : survey_->damage; }
  // Whether what is repaired counts as repaired already.
  [[nodiscard]] bool repairs() const {
    return damage() != nullptr && damage()->mode == RepairMode::kAll;
  }
  // More than one thing refers to `cluster`, and its refcount on disk says less.
  void NoteShared(std::uint64_t cluster);
  void NoteSharedTables();
  Status WalkL1(std::uint64_t offset, std::uint64_t entries, bool active);
  Status VisitL1Entry(std::uint64_t entry, std::span<const std::byte> piece, std::uint64_t index,
                      bool active);
  // Lists in wanted_ the L2 table of L1 entry `index` of `piece` and those that come next.
  void ListTables(std::span<const std::byte> piece, std::uint64_t index);
  Status VisitTable(std::span<const std::byte> entries, bool active);
  void CountAllocated(std::uint64_t offset);
  Status VisitCompressed(std::uint64_t entry, std::uint64_t bitmap, bool active);
  Status VisitStandard(std::uint64_t entry, std::uint64_t bitmap, bool active);

  // Something refers to clusters of which it cannot be told which.
  void Unseen();
  Status WalkSnapshots();
  Status VisitSnapshot(const SnapshotEntry& entry, std::uint32_t number);
  Status WalkBitmaps();
  Status WalkDamagedBitmaps(const BitmapsExtension& extension);
  Status WalkBitmap(const BitmapEntry& entry);
  void VisitBitmapTableEntry(std::uint64_t entry);
  Status WalkRefcountBlocks();

  Status CompareRefcounts();
  Status CompareRange(std::uint64_t cluster, std::uint64_t end);
  void CompareRefcount(std::uint64_t cluster, std::uint64_t on_disk);
  void UntoldRefcount(std::uint64_t cluster);

  const BlockDevice& device_;
  FindingSink& sink_;
  const Header header_;
  const HeaderExtensions extensions_;
  const std::uint64_t window_clusters_;
  const std::uint64_t piece_bytes_;
  const RefcountWorkers workers_;
  const std::uint64_t cluster_bytes_;
  const std::uint64_t most_references_;
  std::uint64_t clusters_;  // of the file, with one behind its end if something refers to it
  const std::uint64_t windows_end_;  // of the last: a reference may reach into the cluster behind
  RefcountReader disk_;
  RefcountReader elsewhere_;  // for single lookups far away
  ReadWindow l1_;
  ReadAhead l2_;
  std::vector<ByteRange> wanted_;
  ReadWindow table_;       // of snapshots, of a bitmap
  TableReuseLimit meter_;  // of all work that tables ask for
  CountedReferences counts_;
  ParallelL2Counter tables_;
  Survey* const survey_;  // null: none is wanted
  bool first_pass_ = true;
  bool ahead_ = false;             // walking the disks, in which tables may be counted ahead
  bool out_of_order_ = false;      // that turned out to matter
  std::uint64_t found_ = 0;        // findings
  std::uint64_t told_ = 0;         // of these; more while a walk is made again
  std::uint64_t next_wanted_ = 0;  // the first cluster behind the window that has to be looked at
  std::uint64_t next_contiguous_ = 0;
  std::uint64_t highest_ = 0;
  std::uint64_t allocated_ = 0;
  std::uint64_t fragmented_ = 0;
  std::uint64_t compressed_ = 0;
  CheckCounts result_;
  Status told_counts_;  // of the survey's sink
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_CHECK_CHECKER_H_
