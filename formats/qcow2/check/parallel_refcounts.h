// Goes through the refcounts of a stretch of the file on all workers.
#ifndef FORMATS_QCOW2_CHECK_PARALLEL_REFCOUNTS_H_
#define FORMATS_QCOW2_CHECK_PARALLEL_REFCOUNTS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/workers.h"
#include "formats/qcow2/read/refcount_reader.h"

namespace instar::qcow2 {

struct RefcountWorkers {
  Workers* workers = nullptr;  // null: none but the caller
  std::uint64_t ahead_bytes = 0;

  // Cuts clusters [first, end) into ranges of `ahead_bytes` of refcounts, which begin at multiples
  // of 64 clusters from `first`, and calls `quick(begin, end, disk, worker)` for each, by any
  // worker and in any order, with refcounts of the worker's own; then `careful(begin, end)`, in
  // order, for those that it returned false for. With one worker, only careful(first, end).
  template <typename Quick, typename Careful>
  Status ForEachRange(const BlockDevice& device, const Header& header, std::uint64_t first,
                      std::uint64_t end, const Quick& quick, const Careful& careful) const {
    const std::uint64_t range = ahead_bytes * 8 >> header.refcount_order;  // a power of two
    const std::uint64_t ranges = DivideRoundUp(end - first, range);
    const unsigned count = workers == nullptr ? 1 : workers->count();
    if (count == 1 || ranges < count) return careful(first, end);
    std::vector<std::uint8_t> done(ranges, 0);
    std::vector<RefcountReader> disks(count, RefcountReader(device, header, ahead_bytes));
    std::atomic<std::uint64_t> next = 0;
    const auto begin_of = [&](std::uint64_t i) { return std::min(first + i * range, end); };
    auto work = [&](unsigned worker) {
      for (std::uint64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < ranges;) {
        done[i] = quick(begin_of(i), begin_of(i + 1), disks[worker], worker) ? 1 : 0;
      }
    };
    INSTAR_TRY(RunOnAll(*workers, work));
    for (std::uint64_t i = 0; i < ranges; ++i) {
      if (done[i] == 0) INSTAR_TRY(careful(begin_of(i), begin_of(i + 1)));
    }
    return {};
  }
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_CHECK_PARALLEL_REFCOUNTS_H_
