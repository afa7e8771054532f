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
    ones_.assign((end - first) / 64 + 1, 0);
    unknown_.assign(ones_.size(), 0);
    for (std::uint64_t cluster = first; cluster < end; ++cluster) {
      INSTAR_ASSIGN_OR_RETURN(const auto count, disk.At(cluster));
      const std::uint64_t at = cluster - first;
      if (!count) unknown_[at / 64] |= std::uint64_t{1} << (at % 64);
      if (count && *count == 1) ones_[at / 64] |= std::uint64_t{1} << (at % 64);
    }
    return {};
  }

  [[nodiscard]] std::uint64_t first() const { return first_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }
  [[nodiscard]] bool Holds(std::uint64_t cluster) const {
    return cluster >= first_ && cluster < end_;
  }

  // Of a cluster of the window.
  [[nodiscard]] std::uint32_t count(std::uint64_t cluster) const {
    return counts_[cluster - first_];
  }
  [[nodiscard]] OnDisk on_disk(std::uint64_t cluster) const {
    const std::uint64_t at = cluster - first_;
    const std::uint64_t bit = std::uint64_t{1} << (at % 64);
    if ((unknown_[at / 64] & bit) != 0) return OnDisk::kUnknown;
    return (ones_[at / 64] & bit) != 0 ? OnDisk::kOne : OnDisk::kOther;
  }

  // Counts one more reference to a cluster of the window; false if it has `most` already.
  bool Add(std::uint64_t cluster, std::uint64_t most) {
    std::uint32_t& count = counts_[cluster - first_];
    if (count >= std::min<std::uint64_t>(most, UINT32_MAX)) return false;
    ++count;
    return true;
  }

 private:
  std::uint64_t first_ = 0;
  std::uint64_t end_ = 0;
  std::vector<std::uint32_t> counts_;
  std::vector<std::uint64_t> ones_;
  std::vector<std::uint64_t> unknown_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_REFERENCE_COUNTS_H_
