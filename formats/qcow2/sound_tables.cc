#include "formats/qcow2/sound_tables.h"

#include <algorithm>
#include <atomic>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/l2_entry.h"
#include "formats/qcow2/refcount.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kMaxTables = 1024;  // read at a time

// What is wrong in a standard entry, wherever it refers to.
constexpr std::uint64_t kNeverSound = ~(kOffsetMask | kCopied | kReadsZero);

// Entries of a table that refer to whole clusters that follow one another, or a single one.
struct Run {
  std::uint64_t entry = 0;  // the first; each further one is greater by a cluster
  std::uint64_t entries = 1;
  // Extended entries: subclusters that some entry allocates, reads as zeros, or both.
  SubclusterBitmap some;
  std::uint32_t contradicting = 0;
};

// Calls visit(run) for every run of entries that are not zero. Ends early where that returns false.
// The bytes gone through.
template <bool extended, typename Visit>
std::size_t VisitRuns(std::span<const std::byte> table, std::uint64_t cluster_bytes,
                      const Visit& visit) {
  constexpr std::size_t kStep = extended ? kExtendedL2EntryBytes : kTableEntryBytes;
  const auto add_bitmap = [&](Run& run, std::size_t at) {
    if constexpr (extended) {
      const auto bitmap = SubclusterBitmap::DecodeFrom(LoadBe64(table, at + kTableEntryBytes));
      run.some.allocated |= bitmap.allocated;
      run.some.reads_zero |= bitmap.reads_zero;
      run.contradicting |= bitmap.allocated & bitmap.reads_zero;
    }
  };
  std::size_t at = 0;
  while (at < table.size()) {
    Run run{.entry = LoadBe64(table, at)};
    add_bitmap(run, at);
    std::size_t next = at + kStep;
    if (run.entry != 0 || run.some != SubclusterBitmap{}) {
      if (!IsCompressed(run.entry)) {
        std::uint64_t following = run.entry + cluster_bytes;
        while (next < table.size() && LoadBe64(table, next) == following) {
          add_bitmap(run, next);
          next += kStep;
          following += cluster_bytes;
        }
      }
      run.entries = (next - at) / kStep;
      if (!visit(run)) return at;
    }
    at = next;
  }
  return at;
}

}  // namespace

SoundTables::SoundTables(const BlockDevice& device, const Header& header, ReferenceCounts& counts,
                         Workers* workers, std::uint64_t ahead_bytes)
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

void SoundTables::Begin() {
  bytes_ahead_ = bytes_in_vain_ = 0;
  any_ahead_ = false;
  sum_ = {};
  counted_.clear();
}

void SoundTables::BeginDisk() { bytes_ahead_ = bytes_in_vain_; }

// The clusters that the entries of a run refer to; none for a place that was never written.
struct SoundTables::Clusters {
  std::uint64_t first = 0;
  std::uint64_t count = 0;

  Clusters(const Run& run, unsigned cluster_bits) {
    if (IsCompressed(run.entry)) {
      const auto data = CompressedCluster::DecodeFrom(run.entry, cluster_bits);
      first = data.offset >> cluster_bits;
      count = ((data.offset + data.bytes() - 1) >> cluster_bits) - first + 1;
    } else if (HostOffset(run.entry) != 0) {
      first = HostOffset(run.entry) >> cluster_bits;
      count = run.entries;
    }
  }
};

template <ReferenceCounts::Access access, ReferenceCounts::Wanted wanted>
bool SoundTables::Refer(const Clusters& clusters, Sum& sum) {
  const std::uint64_t end = clusters.first + clusters.count;
  if (end > counts_.end()) {
    sum.next_wanted = std::min(sum.next_wanted, std::max(clusters.first, counts_.end()));
  }
  const std::uint64_t from = std::max(clusters.first, counts_.first());
  const std::uint64_t to = std::min(end, counts_.end());
  return from >= to || counts_.CountAll<access, wanted>(from, to - from, most_references_);
}

template <bool extended, SoundTables::Access access>
bool SoundTables::CountEntries(std::span<const std::byte> table, bool active, Sum& sum) {
  using Wanted = ReferenceCounts::Wanted;
  const std::uint64_t whole_clusters = whole_bytes_ >> cluster_bits_;
  Sum here;
  std::uint64_t contiguous = 0;
  const std::size_t done = VisitRuns<extended>(table, cluster_bytes_, [&](const Run& run) {
    const Clusters clusters(run, cluster_bits_);
    if (clusters.first > whole_clusters || clusters.count > whole_clusters - clusters.first) {
      return false;
    }
    if (IsCompressed(run.entry)) {
      if ((run.entry & kCopied) != 0 || run.some != SubclusterBitmap{}) return false;
      if (active) {
        ++here.allocated;
        ++here.compressed;
        ++here.fragmented;  // by nature
      }
      return Refer<access, Wanted::kEither>(clusters, here);
    }
    const std::uint64_t offset = HostOffset(run.entry);
    if ((run.entry & kNeverSound) != 0) return false;
    if (offset == 0) return run.entries == 1 && run.some.allocated == 0;
    if (offset % cluster_bytes_ != 0 || run.contradicting != 0) return false;
    if (!active) return Refer<access, Wanted::kEither>(clusters, here);
    here.allocated += run.entries;
    if (contiguous != 0 && offset != contiguous) ++here.fragmented;
    contiguous = offset + (run.entries << cluster_bits_);
    return (run.entry & kCopied) != 0 ? Refer<access, Wanted::kOnes>(clusters, here)
                                      : Refer<access, Wanted::kMore>(clusters, here);
  });
  if (done == table.size()) {
    sum.Add(here);
    return true;
  }
  VisitRuns<extended>(table.first(done), cluster_bytes_, [&](const Run& run) {
    const Clusters clusters(run, cluster_bits_);
    const std::uint64_t from = std::max(clusters.first, counts_.first());
    const std::uint64_t to = std::min(clusters.first + clusters.count, counts_.end());
    if (from < to) counts_.TakeBack<access>(from, to - from);
    return true;
  });
  return false;
}

template <SoundTables::Access access>
bool SoundTables::CountTable(std::span<const std::byte> table, bool active, Sum& sum) {
  return extended_ ? CountEntries<true, access>(table, active, sum)
                   : CountEntries<false, access>(table, active, sum);
}

bool SoundTables::Count(std::span<const std::byte> table, bool active) {
  return possible_ && CountTable<Access::kAlone>(table, active, sum_);
}

bool SoundTables::IsEligible(std::uint64_t l1_entry) const {
  const std::uint64_t table = L2TableOffset(l1_entry);
  return table != 0 && table % cluster_bytes_ == 0 && table < whole_bytes_;
}

// Takes stretches of the eligible entries and counts their tables, until there are no more.
class SoundTables::Worker {
 public:
  explicit Worker(SoundTables& tables) : tables_(tables), ahead_(tables.device_) {}

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

  SoundTables& tables_;
  ReadAhead ahead_;
  std::vector<ByteRange> wanted_;
  Sum sum_;
};

Status SoundTables::CountAhead(std::span<const std::byte> l1, bool active) {
  counted_.clear();
  const unsigned workers = workers_ == nullptr ? 1 : workers_->count();
  if (!possible_ || workers == 1) return {};
  const std::uint32_t entries = static_cast<std::uint32_t>(l1.size() / kTableEntryBytes);
  eligible_.clear();
  for (std::uint32_t i = 0; i < entries; ++i) {
    if (IsEligible(LoadBe64(l1, i * kTableEntryBytes))) eligible_.push_back(i);
  }
  // Where the tables of a disk would fill more than the file, one stands for several places.
  const std::uint64_t bytes = std::uint64_t{eligible_.size()} << cluster_bits_;
  if (bytes < ahead_bytes_ / 2 * workers || bytes > device_.size_bytes() - bytes_ahead_) return {};
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
