// How often the tables of an image refer to each cluster of one window of its file.
#ifndef FORMATS_QCOW2_REFERENCE_COUNTS_H_
#define FORMATS_QCOW2_REFERENCE_COUNTS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/disk_refcounts.h"

namespace instar::qcow2 {

class ReferenceCounts {
 public:
  // What the refcount on disk says of a cluster.
  enum class OnDisk : std::uint8_t { kUnknown, kOne, kOther };

  // Makes clusters [first, end) the window, with no references, and learns from `disk` which of
  // them have a refcount of one.
  Status Open(std::uint64_t first, std::uint64_t end, DiskRefcounts& disk) {
    first_ = first;
    end_ = end;
    counts_.assign(end - first, 0);
    many_.clear();
    ones_.assign((end - first) / 64 + 1, 0);
    unknown_.assign(ones_.size(), 0);
    for (std::uint64_t cluster = first; cluster < end;) {
      INSTAR_ASSIGN_OR_RETURN(const auto run, disk.RunAt(cluster));
      const std::uint64_t stop = std::min(run.end, end);
      if (run.misplaced) {
        for (std::uint64_t at = cluster - first; at < stop - first; ++at) Set(unknown_, at, true);
      } else if (!run.counts.empty()) {
        ForEachRefcount(run.counts, disk.order(), cluster - run.first, stop - run.first,
                        [&](std::uint64_t number, std::uint64_t count) {
                          Set(ones_, run.first + number - first, count == 1);
                        });
      }
      cluster = stop;
    }
    return {};
  }

  [[nodiscard]] std::uint64_t first() const { return first_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }
  [[nodiscard]] bool Holds(std::uint64_t cluster) const {
    return cluster >= first_ && cluster < end_;
  }

  // Of a cluster of the window.
  [[nodiscard]] std::uint64_t count(std::uint64_t cluster) const {
    const std::uint16_t count = counts_[cluster - first_];
    return count == kMany ? Place(cluster)->count : count;
  }
  [[nodiscard]] OnDisk on_disk(std::uint64_t cluster) const {
    const std::uint64_t at = cluster - first_;
    if (IsSet(unknown_, at)) return OnDisk::kUnknown;
    return IsSet(ones_, at) ? OnDisk::kOne : OnDisk::kOther;
  }

  // Counts the first reference to a cluster of the window whose refcount on disk is one. False, and
  // nothing is counted, if it is not that.
  bool AddOnly(std::uint64_t cluster) {
    const std::uint64_t at = cluster - first_;
    if (counts_[at] != 0 || !IsSet(ones_, at)) return false;
    counts_[at] = 1;
    return true;
  }

  // Counts one more reference to a cluster of the window; false if it has `most` already.
  bool Add(std::uint64_t cluster, std::uint64_t most) {
    if (count(cluster) >= std::min<std::uint64_t>(most, UINT32_MAX)) return false;
    std::uint16_t& few = counts_[cluster - first_];
    if (few == kMany) {
      ++Place(cluster)->count;
      return true;
    }
    if (++few == kMany) many_.insert(Place(cluster), {.cluster = cluster, .count = kMany});
    return true;
  }

 private:
  // A cluster with so many references that they do not fit into counts_. There are few of them:
  // each took an entry of a table for every reference.
  struct Many {
    std::uint64_t cluster = 0;
    std::uint64_t count = 0;
  };
  static constexpr std::uint16_t kMany = UINT16_MAX;  // in counts_: look in many_

  using Bits = std::vector<std::uint64_t>;
  [[nodiscard]] static bool IsSet(const Bits& bits, std::uint64_t at) {
    return (bits[at / 64] >> (at % 64) & 1) != 0;
  }
  static void Set(Bits& bits, std::uint64_t at, bool on) {
    bits[at / 64] |= std::uint64_t{on} << (at % 64);
  }

  // Where `cluster` stands in many_, or would.
  [[nodiscard]] std::vector<Many>::iterator Place(std::uint64_t cluster) {
    return std::ranges::lower_bound(many_, cluster, {}, &Many::cluster);
  }
  [[nodiscard]] std::vector<Many>::const_iterator Place(std::uint64_t cluster) const {
    return std::ranges::lower_bound(many_, cluster, {}, &Many::cluster);
  }

  std::uint64_t first_ = 0;
  std::uint64_t end_ = 0;
  std::vector<std::uint16_t> counts_;
  std::vector<Many> many_;  // in order
  Bits ones_;
  Bits unknown_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_REFERENCE_COUNTS_H_
