// Everything that the L2 tables of a disk refer to, the active one or a snapshot's: for changes of
// counts within a change in place.
#ifndef FORMATS_QCOW2_EDIT_REFERENCE_WALK_H_
#define FORMATS_QCOW2_EDIT_REFERENCE_WALK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/read_ahead.h"
#include "formats/edit/cluster_space.h"
#include "formats/qcow2/read/l2_references.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {

// Calls visit(run) for the clusters that a table refers to (VisitL2References).
template <typename Visit>
class ReferenceVisitor {
 public:
  ReferenceVisitor(const Visit& visit, bool data_file) : visit_(visit), data_file_(data_file) {}

  static bool IsSound(const L2Run&, const CompressedCluster&) { return true; }
  static bool IsSound(const L2Run&) { return true; }
  bool Refer(const L2Run& run, std::uint64_t cluster) {
    if (!data_file_) status_ = visit_(ClusterRun{cluster, run.entries});
    return status_.has_value();
  }
  bool Touch(std::uint64_t cluster, std::uint64_t times) {
    for (; times > 0 && status_; --times) status_ = visit_(ClusterRun{cluster, 1});
    return status_.has_value();
  }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  const Visit& visit_;
  const bool data_file_;  // clusters of a data file are not counted
  Status status_;
};

// Calls visit(run), which returns a Status, for each L2 table that an entry of `l1` leads to, and
// for the clusters that the table refers to; compressed clusters that share one visit it once each.
// Reads some 1 MiB at a time. kIo, and the errors of `visit`.
template <typename Visit>
Status VisitReferences(const BlockDevice& device, const Header& header,
                       std::span<const std::uint64_t> l1, const Visit& visit) {
  constexpr std::uint64_t kReadBytes = 1 << 20;
  const unsigned bits = header.cluster_bits;
  ReferenceVisitor visitor(visit, header.has_data_file());
  ReadAhead ahead(device);
  std::vector<ByteRange> wanted;
  const std::size_t at_once = std::max<std::uint64_t>(kReadBytes >> bits, 1);
  for (std::size_t i = 0; i < l1.size();) {
    wanted.clear();
    for (; i < l1.size() && wanted.size() < at_once; ++i) {
      const std::uint64_t offset = L2TableOffset(l1[i]);
      if (offset != 0) wanted.push_back({.offset = offset, .length_bytes = header.cluster_bytes()});
    }
    if (wanted.empty()) break;
    INSTAR_TRY(ahead.Fetch(wanted));
    for (const ByteRange& range : wanted) {
      auto table = ahead.Find(range);
      if (!table) {
        INSTAR_ASSIGN_OR_RETURN(table, ahead.Fetch({&range, 1}));
      }
      const bool visited = header.extended_l2() ? VisitL2References<true>(*table, bits, visitor)
                                                : VisitL2References<false>(*table, bits, visitor);
      if (!visited) return visitor.status();
      INSTAR_TRY(visit(ClusterRun{range.offset >> bits, 1}));
    }
  }
  return {};
}

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_REFERENCE_WALK_H_
