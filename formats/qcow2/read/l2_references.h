// What the entries of an L2 table refer to, run of clusters by run of clusters.
// tests/unit/formats/qcow2/checker_workers_test.cc covers this file.
#ifndef FORMATS_QCOW2_READ_L2_REFERENCES_H_
#define FORMATS_QCOW2_READ_L2_REFERENCES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "formats/base/endian.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {

// Entries of a table that refer to whole clusters that follow one another, or a single one.
struct L2Run {
  std::uint64_t entry = 0;  // the first; each further one is greater by a cluster
  std::uint64_t entries = 1;
  // Extended entries: subclusters that some entry allocates, reads as zeros, or both.
  SubclusterBitmap some;
  std::uint32_t contradicting = 0;
};

// Calls visit(run) for every run of entries that are not zero. Ends early where that returns false.
// The bytes gone through.
template <bool extended, typename Visit>
std::size_t VisitL2Runs(std::span<const std::byte> table, std::uint64_t cluster_bytes,
                        const Visit& visit) {
  constexpr std::size_t kStep = extended ? kExtendedL2EntryBytes : kTableEntryBytes;
  const auto add_bitmap = [&](L2Run& run, std::size_t at) {
    if constexpr (extended) {
      const auto bitmap = SubclusterBitmap::DecodeFrom(LoadBe64(table, at + kTableEntryBytes));
      run.some.allocated |= bitmap.allocated;
      run.some.reads_zero |= bitmap.reads_zero;
      run.contradicting |= bitmap.allocated & bitmap.reads_zero;
    }
  };
  std::size_t at = 0;
  while (at < table.size()) {
    L2Run run{.entry = LoadBe64(table, at)};
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

// Goes through a table in steps. Asks `visitor` of each run whether it IsSound. Then calls Refer
// with the clusters that a run refers to, or Touch with a cluster and how often compressed clusters
// that follow one another touch it. Ends early, with false, where the visitor returns false.
template <bool extended, typename Visitor>
bool VisitL2References(std::span<const std::byte> table, unsigned cluster_bits, Visitor& visitor) {
  std::uint64_t touched = 0;
  std::uint64_t times = 0;
  const auto visit_touched = [&] {
    return times == 0 || visitor.Touch(touched, std::exchange(times, 0));
  };
  const auto visit = [&](const L2Run& run) {
    if (IsCompressed(run.entry)) {
      const auto data = CompressedCluster::DecodeFrom(run.entry, cluster_bits);
      if (!visitor.IsSound(run, data)) return false;
      const std::uint64_t last = (data.offset + data.bytes() - 1) >> cluster_bits;
      for (std::uint64_t cluster = data.offset >> cluster_bits; cluster <= last; ++cluster) {
        if (cluster != touched && !visit_touched()) return false;
        touched = cluster;
        ++times;
      }
      return true;
    }
    if (!visitor.IsSound(run)) return false;
    const std::uint64_t first = HostOffset(run.entry) >> cluster_bits;
    return first == 0 || visitor.Refer(run, first);
  };
  const std::uint64_t cluster_bytes = std::uint64_t{1} << cluster_bits;
  return VisitL2Runs<extended>(table, cluster_bytes, visit) == table.size() && visit_touched();
}

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_READ_L2_REFERENCES_H_
