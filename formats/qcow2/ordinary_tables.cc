#include "formats/qcow2/ordinary_tables.h"

#include <algorithm>
#include <atomic>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/l2_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kMaxTables = 1024;  // read at a time

// Calls visit(entry, n) for every run of n entries that are not zero and refer to clusters that
// follow one another. Ends early where that returns false. The bytes gone through.
template <typename Visit>
std::size_t VisitRuns(std::span<const std::byte> table, std::uint64_t cluster_bytes,
                      const Visit& visit) {
  std::size_t at = 0;
  while (at < table.size()) {
    const std::uint64_t entry = LoadBe64(table, at);
    std::size_t next = at + kTableEntryBytes;
    if (entry != 0) {
      std::uint64_t following = entry + cluster_bytes;
      while (next < table.size() && LoadBe64(table, next) == following) {
        next += kTableEntryBytes;
        following += cluster_bytes;
      }
      if (!visit(entry, (next - at) / kTableEntryBytes)) return at;
    }
    at = next;
  }
  return at;
}

}  // namespace

OrdinaryTables::OrdinaryTables(const BlockDevice& device, const Header& header,
                               ReferenceCounts& counts, Workers* workers, std::uint64_t ahead_bytes)
    : device_(device),
      counts_(counts),
      workers_(workers),
      ahead_bytes_(ahead_bytes),
      cluster_bits_(header.cluster_bits),
      cluster_bytes_(header.cluster_bytes()),
      whole_bytes_(std::min(AlignDown(device.size_bytes(), cluster_bytes_),
                            AlignDown(kOffsetMask, cluster_bytes_))),
      possible_(!header.extended_l2() && !header.has_data_file()) {}

void OrdinaryTables::Begin() {
  bytes_ahead_ = 0;
  any_ahead_ = false;
  sum_ = {};
  counted_.clear();
}

template <OrdinaryTables::Access access>
bool OrdinaryTables::CountTable(std::span<const std::byte> table, Sum& sum) {
  Sum here;
  std::uint64_t contiguous = 0;
  // The part of a run that lies in the window.
  const auto in_window = [&](std::uint64_t offset, std::uint64_t n, auto work) {
    const std::uint64_t first = offset >> cluster_bits_;
    const std::uint64_t begin = std::max(first, counts_.first());
    const std::uint64_t end = std::min(first + n, counts_.end());
    return begin >= end || work(begin, end - begin);
  };
  const std::size_t done =
      VisitRuns(table, cluster_bytes_, [&](std::uint64_t entry, std::uint64_t n) {
        const std::uint64_t offset = HostOffset(entry);
        if (entry != (offset | kCopied) || offset % cluster_bytes_ != 0 || offset >= whole_bytes_ ||
            n > (whole_bytes_ - offset) >> cluster_bits_) {
          return false;
        }
        here.allocated += n;
        if (contiguous != 0 && offset != contiguous) ++here.fragmented;
        contiguous = offset + (n << cluster_bits_);
        if (const std::uint64_t first = offset >> cluster_bits_; first + n > counts_.end()) {
          here.next_wanted = std::min(here.next_wanted, std::max(first, counts_.end()));
        }
        return in_window(offset, n, [&](std::uint64_t cluster, std::uint64_t count) {
          return counts_.Claim<access>(cluster, count);
        });
      });
  if (done == table.size()) {
    sum.Add(here);
    return true;
  }
  VisitRuns(table.first(done), cluster_bytes_, [&](std::uint64_t entry, std::uint64_t n) {
    return in_window(HostOffset(entry), n, [&](std::uint64_t cluster, std::uint64_t count) {
      counts_.Unclaim<access>(cluster, count);
      return true;
    });
  });
  return false;
}

bool OrdinaryTables::Count(std::span<const std::byte> table) {
  return possible_ && CountTable<Access::kAlone>(table, sum_);
}

bool OrdinaryTables::IsEligible(std::uint64_t l1_entry) const {
  const std::uint64_t table = L2TableOffset(l1_entry);
  return table != 0 && table % cluster_bytes_ == 0 && table < whole_bytes_;
}

// Takes stretches of the eligible entries and counts their tables, until there are no more.
class OrdinaryTables::Worker {
 public:
  explicit Worker(OrdinaryTables& tables) : tables_(tables), ahead_(tables.device_) {}

  void Run(std::span<const std::byte> l1, std::atomic<std::size_t>& next) {
    const std::span<const std::uint32_t> eligible(tables_.eligible_);
    const std::size_t stretch =
        std::clamp<std::uint64_t>(tables_.ahead_bytes_ >> tables_.cluster_bits_, 1, kMaxTables);
    for (;;) {
      const std::size_t first = next.fetch_add(stretch, std::memory_order_relaxed);
      if (first >= eligible.size()) return;
      CountStretch(l1, eligible.subspan(first, std::min(stretch, eligible.size() - first)));
    }
  }
  [[nodiscard]] const Sum& sum() const { return sum_; }

 private:
  void CountStretch(std::span<const std::byte> l1, std::span<const std::uint32_t> entries) {
    wanted_.clear();
    for (const std::uint64_t index : entries) {
      const std::uint64_t entry = LoadBe64(l1, index * kTableEntryBytes);
      wanted_.push_back({.offset = L2TableOffset(entry), .length_bytes = tables_.cluster_bytes_});
    }
    if (!ahead_.Fetch(wanted_)) return;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto table = ahead_.Find(wanted_[i]);
      if (table && tables_.CountTable<Access::kShared>(*table, sum_)) {
        tables_.counted_[entries[i]] = 1;
      }
    }
  }

  OrdinaryTables& tables_;
  ReadAhead ahead_;
  std::vector<ByteRange> wanted_;
  Sum sum_;
};

Status OrdinaryTables::CountAhead(std::span<const std::byte> l1) {
  counted_.clear();
  const unsigned workers = workers_ == nullptr ? 1 : workers_->count();
  if (!possible_ || workers == 1) return {};
  const std::uint32_t entries = static_cast<std::uint32_t>(l1.size() / kTableEntryBytes);
  eligible_.clear();
  for (std::uint32_t i = 0; i < entries; ++i) {
    if (IsEligible(LoadBe64(l1, i * kTableEntryBytes))) eligible_.push_back(i);
  }
  // Where the tables would fill more than the file, one stands for several places of the disk, and
  // then it is not ordinary. So a hostile image makes this read no more than the file once.
  const std::uint64_t bytes = std::uint64_t{eligible_.size()} << cluster_bits_;
  if (bytes < ahead_bytes_ / 2 * workers || bytes > device_.size_bytes() - bytes_ahead_) return {};
  bytes_ahead_ += bytes;
  any_ahead_ = true;
  counted_.assign(entries, 0);
  std::vector<Worker> crew(workers, Worker(*this));
  std::atomic<std::size_t> next = 0;
  auto work = [&](unsigned number) { crew[number].Run(l1, next); };
  INSTAR_TRY(RunOnAll(*workers_, work));
  for (const Worker& worker : crew) sum_.Add(worker.sum());
  return {};
}

}  // namespace instar::qcow2
