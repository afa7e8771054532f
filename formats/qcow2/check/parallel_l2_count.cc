#include "formats/qcow2/check/parallel_l2_count.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/read/l2_references.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kMaxTables = 1024;  // read at a time

}  // namespace

ParallelL2Counter::ParallelL2Counter(const BlockDevice& device, const Header& header,
                                     CountedReferences& counts, Workers* workers,
                                     std::uint64_t ahead_bytes)
    : device_(device),
      counts_(counts),
      workers_(workers),
      ahead_bytes_(ahead_bytes),
      cluster_bits_(header.cluster_bits),
      cluster_bytes_(header.cluster_bytes()),
      whole_bytes_(std::min(AlignDown(device.size_bytes(), cluster_bytes_),
                            AlignDown(kOffsetMask, cluster_bytes_))),
      most_references_(MaxRefcount(header.refcount_order)),
      extended_(header.extended_l2()),
      possible_(!header.has_data_file()) {}

void ParallelL2Counter::Begin() {
  bytes_ahead_ = bytes_in_vain_ = 0;
  any_ahead_ = false;
  sum_ = {};
  counted_.clear();
}

void ParallelL2Counter::BeginDisk() { bytes_ahead_ = bytes_in_vain_; }

// Counts a table until something is not sound.
template <CountedReferences::Access access>
class ParallelL2Counter::Counter {
 public:
  Counter(ParallelL2Counter& tables, bool active)
      : counts_(tables.counts_),
        most_(tables.most_references_),
        cluster_bits_(tables.cluster_bits_),
        whole_bytes_(tables.whole_bytes_),
        active_(active) {}

  bool IsSound(const L2Run& run, const CompressedCluster& data) {
    if (active_) {
      ++sum_.allocated;
      ++sum_.compressed;
      ++sum_.fragmented;  // by nature
    }
    return (run.entry & kCopied) == 0 && run.some == SubclusterBitmap{} &&
           RangeFits(data.offset, data.bytes(), whole_bytes_);
  }
  bool IsSound(const L2Run& run) {
    constexpr std::uint64_t kNeverSound = ~(kOffsetMask | kCopied | kReadsZero);
    if ((run.entry & kNeverSound) != 0 || run.contradicting != 0) return false;
    const std::uint64_t offset = HostOffset(run.entry);
    if (offset == 0) return run.entries == 1 && run.some.allocated == 0;  // never written
    const std::uint64_t cluster_bytes = std::uint64_t{1} << cluster_bits_;
    if (offset % cluster_bytes != 0 || offset >= whole_bytes_ ||
        run.entries > (whole_bytes_ - offset) >> cluster_bits_) {
      return false;
    }
    if (active_) {
      sum_.allocated += run.entries;
      if (contiguous_ != 0 && offset != contiguous_) ++sum_.fragmented;
      contiguous_ = offset + (run.entries << cluster_bits_);
    }
    return true;
  }
  bool Refer(const L2Run& run, std::uint64_t first) {
    return active_ && (run.entry & kCopied) != 0 ? CountAll<Wanted::kOnes>(first, run.entries)
                                                 : ReferToShared(first, run.entries);
  }
  bool Touch(std::uint64_t cluster, std::uint64_t times) {
    Want(cluster, 1);
    if (counts_.Holds(cluster) && !counts_.CountTimes<access>(cluster, times, most_)) return false;
    ++steps_;
    return true;
  }

  [[nodiscard]] const Sum& sum() const { return sum_; }
  // Calls of Refer and Touch that have counted.
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

 private:
  using Wanted = CountedReferences::Wanted;

  // Apart from what is counted most of the time, which is faster so.
  [[gnu::noinline]] bool ReferToShared(std::uint64_t first, std::uint64_t count) {
    return active_ ? CountAll<Wanted::kMore>(first, count)
                   : CountAll<Wanted::kEither>(first, count);
  }
  void Want(std::uint64_t first, std::uint64_t count) {
    if (first + count > counts_.end()) {
      sum_.next_wanted = std::min(sum_.next_wanted, std::max(first, counts_.end()));
    }
  }
  template <Wanted wanted>
  bool CountAll(std::uint64_t first, std::uint64_t count) {
    Want(first, count);
    const std::uint64_t from = std::max(first, counts_.first());
    const std::uint64_t to = std::min(first + count, counts_.end());
    if (from < to && !counts_.CountAll<access, wanted>(from, to - from, most_)) return false;
    ++steps_;
    return true;
  }

  CountedReferences& counts_;
  const std::uint64_t most_;
  const unsigned cluster_bits_;
  const std::uint64_t whole_bytes_;
  const bool active_;
  std::uint64_t contiguous_ = 0;
  std::uint64_t steps_ = 0;
  Sum sum_;
};

// Takes back the first `steps` steps of a Counter that went through the same table.
template <CountedReferences::Access access>
class ParallelL2Counter::Undoer {
 public:
  Undoer(CountedReferences& counts, std::uint64_t steps) : counts_(counts), left_(steps) {}

  static bool IsSound(const L2Run&, const CompressedCluster&) { return true; }
  static bool IsSound(const L2Run&) { return true; }
  bool Refer(const L2Run& run, std::uint64_t first) {
    if (left_ == 0) return false;
    --left_;
    const std::uint64_t from = std::max(first, counts_.first());
    const std::uint64_t to = std::min(first + run.entries, counts_.end());
    if (from < to) counts_.TakeBack<access>(from, to - from);
    return true;
  }
  bool Touch(std::uint64_t cluster, std::uint64_t times) {
    if (left_ == 0) return false;
    --left_;
    if (counts_.Holds(cluster)) counts_.TakeBackTimes<access>(cluster, times);
    return true;
  }

 private:
  CountedReferences& counts_;
  std::uint64_t left_;
};

template <bool extended, ParallelL2Counter::Access access>
bool ParallelL2Counter::CountEntries(std::span<const std::byte> table, bool active, Sum& sum) {
  Counter<access> counter(*this, active);
  if (VisitL2References<extended>(table, cluster_bits_, counter)) {
    sum.Add(counter.sum());
    return true;
  }
  Undoer<access> undoer(counts_, counter.steps());
  VisitL2References<extended>(table, cluster_bits_, undoer);
  return false;
}

template <ParallelL2Counter::Access access>
bool ParallelL2Counter::CountTable(std::span<const std::byte> table, bool active, Sum& sum) {
  return extended_ ? CountEntries<true, access>(table, active, sum)
                   : CountEntries<false, access>(table, active, sum);
}

bool ParallelL2Counter::Count(std::span<const std::byte> table, bool active) {
  return possible_ && CountTable<Access::kAlone>(table, active, sum_);
}

bool ParallelL2Counter::IsEligible(std::uint64_t l1_entry) const {
  const std::uint64_t table = L2TableOffset(l1_entry);
  return table != 0 && table % cluster_bytes_ == 0 && table < whole_bytes_;
}

// Takes stretches of the eligible entries and counts their tables, until there are no more.
class ParallelL2Counter::Worker {
 public:
  explicit Worker(ParallelL2Counter& tables) : tables_(tables), ahead_(tables.device_) {}

  void Run(std::span<const std::byte> l1, bool active, std::atomic<std::size_t>& next) {
    const std::span<const std::uint32_t> eligible(tables_.eligible_);
    const std::size_t stretch =
        std::clamp<std::uint64_t>(tables_.ahead_bytes_ >> tables_.cluster_bits_, 1, kMaxTables);
    for (;;) {
      const std::size_t first = next.fetch_add(stretch, std::memory_order_relaxed);
      if (first >= eligible.size()) return;
      CountStretch(l1, eligible.subspan(first, std::min(stretch, eligible.size() - first)), active);
    }
  }
  [[nodiscard]] const Sum& sum() const { return sum_; }

 private:
  void CountStretch(std::span<const std::byte> l1, std::span<const std::uint32_t> entries,
                    bool active) {
    wanted_.clear();
    for (const std::uint64_t index : entries) {
      const std::uint64_t entry = LoadBe64(l1, index * kTableEntryBytes);
      wanted_.push_back({.offset = L2TableOffset(entry), .length_bytes = tables_.cluster_bytes_});
    }
    if (!ahead_.Fetch(wanted_)) return;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto table = ahead_.Find(wanted_[i]);
      if (table && tables_.CountTable<Access::kShared>(*table, active, sum_)) {
        tables_.counted_[entries[i]] = 1;
      }
    }
  }

  ParallelL2Counter& tables_;
  ReadAhead ahead_;
  std::vector<ByteRange> wanted_;
  Sum sum_;
};

Status ParallelL2Counter::CountAhead(std::span<const std::byte> l1, bool active,
                                     TableReuseLimit& meter) {
  counted_.clear();
  const unsigned workers = workers_ == nullptr ? 1 : workers_->count();
  if (!possible_ || workers == 1) return {};
  const std::uint32_t entries = static_cast<std::uint32_t>(l1.size() / kTableEntryBytes);
  eligible_.clear();
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::uint64_t entry = LoadBe64(l1, i * kTableEntryBytes);
    if (!IsEligible(entry)) continue;
    if (meter.looks_for_holes()) {
      INSTAR_ASSIGN_OR_RETURN(const FileRun run, meter.RunAt(L2TableOffset(entry), cluster_bytes_));
      if (run.hole && run.length_bytes == cluster_bytes_) continue;
    }
    eligible_.push_back(i);
  }
  // Where the tables of a disk would fill more than the file, one stands for several places.
  const std::uint64_t bytes = std::uint64_t{eligible_.size()} << cluster_bits_;
  if (bytes < ahead_bytes_ / 2 * workers || bytes > device_.size_bytes() - bytes_ahead_) return {};
  // Where that is more than the file can store, the walk in order sees which of them lie in holes.
  if (const Status charged = meter.Charge(bytes); !charged) {
    return charged.error().code == ErrorCode::kLimit ? Status() : charged;
  }
  bytes_ahead_ += bytes;
  any_ahead_ = true;
  counted_.assign(entries, 0);
  std::vector<Worker> crew(workers, Worker(*this));
  std::atomic<std::size_t> next = 0;
  auto work = [&](unsigned number) { crew[number].Run(l1, active, next); };
  INSTAR_TRY(RunOnAll(*workers_, work));
  for (const Worker& worker : crew) sum_.Add(worker.sum());
  const auto counted = static_cast<std::uint64_t>(std::ranges::count(counted_, 1));
  bytes_in_vain_ += (eligible_.size() - counted) << cluster_bits_;
  return {};
}

}  // namespace instar::qcow2
