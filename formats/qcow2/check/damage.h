// What a repair has to know of a damaged image besides what is found: gathered by a check of it.
#ifndef FORMATS_QCOW2_CHECK_DAMAGE_H_
#define FORMATS_QCOW2_CHECK_DAMAGE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/base/check_counts.h"
#include "formats/edit/cluster_space.h"

namespace instar::qcow2 {

struct Damage {
  // A flag COPIED of an active table that contradicts the refcount on disk.
  struct WrongFlag {
    std::uint64_t cluster = 0;  // that the entry leads to
    std::uint64_t entry = 0;
    bool of_table = false;  // an entry of the L1 table
    friend auto operator<=>(const WrongFlag&, const WrongFlag&) = default;
  };
  // So much of each is kept.
  static constexpr std::size_t kMaxShared = 65536;
  static constexpr std::size_t kMaxFlags = 65536;
  static constexpr std::size_t kMaxBehindEnd = 65536;

  // Asked for. With kAll references are counted as they will be once every entry is repaired that
  // can be, with kLeaks all that anything refers to.
  RepairMode mode = RepairMode::kAll;

  bool entries = false;      // some entry of an L1 or L2 table will be another
  bool lost_counts = false;  // the refcount table leads to what is no refcount block of its own
  bool uncounted = false;    // something is in use and has the refcount 0
  bool snapshots = false;    // the snapshot table has to be written anew
  bool bitmaps = false;      // some bitmap is damaged
  bool unseen = false;       // something refers to clusters of which it cannot be told which
  // More refcounts are wrong than a survey lists.
  bool more_counts = false;

  // Clusters with more than one reference, and another refcount on disk, and those of the active L1
  // table and of the refcount table, whatever it is.
  std::vector<std::uint64_t> shared;
  bool more_shared = false;
  std::vector<WrongFlag> flags;
  bool more_flags = false;
  // References to clusters behind the end of the file, each as often as it was met.
  std::vector<ClusterRun> behind_end;
  bool more_behind_end = false;
  // Clusters that are not in the file and have a refcount; ascending.
  std::vector<ClusterRun> counted_behind_end;

  // How often the cluster, which is not in the file, is referred to; behind_end is in order.
  [[nodiscard]] std::uint64_t ReferencesBehindEnd(std::uint64_t cluster) const;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_CHECK_DAMAGE_H_
