#include "formats/qcow2/check/checker.h"

#include <algorithm>
#include <atomic>
#include <bit>

#include "formats/base/checked.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/check/check.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kSectorBytes = 512;
constexpr std::uint64_t kCompared = 1 << 12;  // clusters compared one by one before the rest
constexpr std::uint64_t kAllPieces = 8;       // pieces of tables held by all workers together

// Bytes of tables that each worker reads at a time.
std::uint64_t AheadBytes(const Workers* workers, std::uint64_t piece_bytes) {
  if (workers == nullptr) return piece_bytes;
  const std::uint64_t share = piece_bytes * kAllPieces / std::bit_ceil(workers->count());
  return std::clamp<std::uint64_t>(share, 512, piece_bytes);
}
}  // namespace

Checker::Checker(const CheckOptions& options, const Header& header, HeaderExtensions extensions,
                 const CheckPortions& portions, Survey* survey)
    : device_(*options.device),
      sink_(*options.findings),
      header_(header),
      extensions_(std::move(extensions)),
      window_clusters_(portions.window_clusters),
      piece_bytes_(portions.piece_bytes),
      workers_{.workers = options.workers,
               .ahead_bytes = AheadBytes(options.workers, piece_bytes_)},
      cluster_bytes_(header.cluster_bytes()),
      most_references_(MaxRefcount(header.refcount_order)),
      clusters_(DivideRoundUp(device_.size_bytes(), header.cluster_bytes())),
      windows_end_(clusters_ + 1),
      disk_(device_, header, piece_bytes_),
      elsewhere_(device_, header, 0),
      l1_(device_, piece_bytes_),
      l2_(device_),
      table_(device_, piece_bytes_),
      meter_(device_, kCheckAllowance),
      tables_(device_, header_, counts_, options.workers,
              AheadBytes(options.workers, piece_bytes_)),
      survey_(survey) {}

Result<CheckCounts> Checker::Run() {
  for (std::uint64_t first = 0; first < windows_end_;) {
    first_pass_ = first == 0;
    INSTAR_TRY(OpenWindow(first, std::min(first + window_clusters_, windows_end_)));
    next_wanted_ = UINT64_MAX;
    INSTAR_TRY(CountReferences());
    INSTAR_TRY(CompareRefcounts());
    INSTAR_TRY(told_counts_);
    if (survey_ != nullptr) SurveyWindow();
    sink_.Proceed(counts_.end(), windows_end_);
    // What lies in between nothing refers to, and nothing says so: a hole of any size.
    first = std::max(AlignDown(next_wanted_, 64), counts_.end());
  }
  if (survey_ != nullptr) INSTAR_TRY(SurveyBehindEnd());
  result_.image_end_offset = (highest_ + 1) * cluster_bytes_;
  result_.total_clusters =
      DivideRoundUp(AlignDown(header_.virtual_size_bytes, kSectorBytes), cluster_bytes_);
  result_.allocated_clusters = allocated_;
  result_.fragmented_clusters = fragmented_;
  result_.compressed_clusters = compressed_;
  return result_;
}

void Checker::Report(const Finding& finding) {
  if (out_of_order_) return;
  switch (finding.kind) {
    case FindingKind::kCorruption:
      ++result_.corruptions;
      break;
    case FindingKind::kLeak:
      ++result_.leaks;
      break;
    case FindingKind::kError:
      ++result_.check_errors;
      break;
    case FindingKind::kWarning:
      break;
  }
  if (++found_ <= told_) return;
  told_ = found_;
  sink_.Add(finding);
}

Status Checker::OpenWindow(std::uint64_t first, std::uint64_t end) {
  INSTAR_TRY(meter_.Charge((end - first) / 2));  // four bits a cluster
  counts_.Open(first, end);
  return workers_.ForEachRange(
      device_, header_, first, end,
      [&](std::uint64_t from, std::uint64_t to, RefcountReader& disk, unsigned) {
        return counts_.Prepare(from, to, disk).has_value();
      },
      [&](std::uint64_t from, std::uint64_t to) { return counts_.Prepare(from, to, disk_); });
}

Status Checker::CountReferences() {
  INSTAR_TRY(WalkDisks());
  if (header_.crypt_method == kCryptLuks && extensions_.encryption) {
    INSTAR_TRY(ReferTable(extensions_.encryption->offset, extensions_.encryption->length_bytes));
  }
  INSTAR_TRY(WalkBitmaps());
  const std::uint64_t table_bytes = std::uint64_t{header_.refcount_table_clusters}
                                    << header_.cluster_bits;
  if (repairs() &&
      header_.refcount_table_offset + table_bytes >= device_.size_bytes() + cluster_bytes_) {
    damage()->lost_counts = true;
    Corrupted({.kind = FixKind::kRebuild, .where = header_.refcount_table_offset},
              "the refcount table at {0x} lies beyond the end of the file",
              header_.refcount_table_offset);
  } else {
    Refer(header_.refcount_table_offset, table_bytes);
  }
  INSTAR_TRY(WalkRefcountBlocks());
  NoteSharedTables();
  return {};
}

// A repair gives these tables other places. Who shares the old ones would be left with other counts
// than flags say.
void Checker::NoteSharedTables() {
  if (damage() == nullptr) return;
  const std::uint64_t l1_bytes = header_.l1_entries * kTableEntryBytes;
  const std::uint64_t refcount_bytes = std::uint64_t{header_.refcount_table_clusters}
                                       << header_.cluster_bits;
  for (const ByteRange& table : {ByteRange{header_.l1_table_offset, l1_bytes},
                                 ByteRange{header_.refcount_table_offset, refcount_bytes}}) {
    const std::uint64_t end = DivideRoundUp(table.offset + table.length_bytes, cluster_bytes_);
    for (std::uint64_t at = table.offset >> header_.cluster_bits; at < end; ++at) {
      if (counts_.Holds(at) && counts_.count(at) > 1) NoteShared(at);
    }
  }
}

Status Checker::CompareRefcounts() {
  const std::uint64_t end = std::min(counts_.end(), clusters_);
  std::atomic<std::uint64_t> highest = highest_;
  INSTAR_TRY(workers_.ForEachRange(
      device_, header_, counts_.first(), end,
      [&](std::uint64_t from, std::uint64_t to, RefcountReader& disk, unsigned) {
        std::uint64_t last = 0;
        for (std::uint64_t at = from; (at = counts_.AgreeTo(at, to, last)) < to;) {
          const auto run = disk.RunAt(at);
          if (!run) return false;
          const std::uint64_t stop = std::min({run->end, to, at + kCompared});
          if (!counts_.Agree(*run, header_.refcount_order, at, stop, last)) return false;
          at = stop;
        }
        std::uint64_t known = highest.load(std::memory_order_relaxed);
        while (known < last &&
               !highest.compare_exchange_weak(known, last, std::memory_order_relaxed)) {
        }
        return true;
      },
      [&](std::uint64_t from, std::uint64_t to) { return CompareRange(from, to); }));
  highest_ = std::max(highest_, highest.load());
  return {};
}

Status Checker::CompareRange(std::uint64_t cluster, std::uint64_t end) {
  while ((cluster = counts_.AgreeTo(cluster, end, highest_)) < end) {
    INSTAR_ASSIGN_OR_RETURN(const auto run, disk_.RunAt(cluster));
    const std::uint64_t stop = std::min({run.end, end, cluster + kCompared});
    if (counts_.Agree(run, header_.refcount_order, cluster, stop, highest_)) {
      cluster = stop;
    } else if (run.misplaced) {
      for (; cluster < stop; ++cluster) UntoldRefcount(cluster);
    } else if (run.counts.empty()) {
      for (; cluster < stop; ++cluster) CompareRefcount(cluster, 0);
    } else {
      ForEachRefcount(run.counts, header_.refcount_order, cluster - run.first, stop - run.first,
                      [&](std::uint64_t number, std::uint64_t on_disk) {
                        CompareRefcount(run.first + number, on_disk);
                      });
      cluster = stop;
    }
  }
  return {};
}

void Checker::UntoldRefcount(std::uint64_t cluster) {
  // A repair makes all refcounts anew.
  if (repairs()) {
    if (counts_.count(cluster) > 1) NoteShared(cluster);
    if (counts_.count(cluster) != 0) highest_ = cluster;
    return;
  }
  Found(FindingKind::kError, "the refcount of the cluster at {0x} cannot be told",
        cluster << header_.cluster_bits);
}

void Checker::CompareRefcount(std::uint64_t cluster, std::uint64_t on_disk) {
  const std::uint64_t counted = counts_.count(cluster);
  if (on_disk != 0 || counted != 0) highest_ = cluster;
  if (on_disk == counted) [[likely]]
    return;
  const bool leak = on_disk > counted;
  if (survey_ != nullptr && survey_->recount) {
    if (survey_->counts == nullptr) {
      survey_->Recount(cluster, on_disk, counted);
    } else if (told_counts_) {
      told_counts_ = survey_->counts->Add({cluster, on_disk, counted});
    }
    return;
  }
  const std::uint64_t offset = cluster << header_.cluster_bits;
  if (damage() != nullptr) {
    survey_->Recount(cluster, on_disk, counted);
    if (on_disk == 0) damage()->uncounted = true;
    if (counted > 1) NoteShared(cluster);
  }
  Report({.kind = leak ? FindingKind::kLeak : FindingKind::kCorruption,
          .message = leak ? "the cluster at {0x} has the refcount {1}, but only {2} references"
                          : "the cluster at {0x} has the refcount {1}, but {2} references",
          .numbers = {offset, on_disk, counted},
          .fix = {.kind = FixKind::kCount, .where = offset, .from = on_disk, .to = counted}});
}

Result<CheckCounts> Check(const CheckOptions& options, const CheckPortions& portions,
                          Survey* survey) {
  ReadWindow file(*options.device, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, Header::kFullBytes));
  INSTAR_ASSIGN_OR_RETURN(const Header header, Header::DecodeFrom(bytes));
  INSTAR_TRY(header.Validate());
  INSTAR_ASSIGN_OR_RETURN(HeaderExtensions extensions, HeaderExtensions::ReadFrom(file, header));
  return CheckAs(options, header, std::move(extensions), portions, survey);
}

Result<CheckCounts> CheckAs(const CheckOptions& options, const Header& header,
                            HeaderExtensions extensions, const CheckPortions& portions,
                            Survey* survey) {
  return Checker(options, header, std::move(extensions), portions, survey).Run();
}

}  // namespace instar::qcow2
