// The active L1 and L2 tables of an image that is overwritten in ascending order.
//
// Changed L2 tables gather in memory (at most kPendingBytes and one more) and are published
// together: first the refcounts of all new clusters, then the L2 tables, then the L1 entries of
// those that are new, with a flush of the device between each; only then are the clusters that they
// replaced released. A run that dies leaves every reference counted, and leaks at worst.
#ifndef FORMATS_QCOW2_EDIT_EDIT_MAPPING_H_
#define FORMATS_QCOW2_EDIT_EDIT_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/edit/refcount_allocator.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {

// How one cluster is described; `bitmap` counts with extended L2 entries only.
struct ClusterEntry {
  std::uint64_t entry = 0;
  SubclusterBitmap bitmap{};
  friend bool operator==(const ClusterEntry&, const ClusterEntry&) = default;
};

class EditMapping {
 public:
  // `device` and `refcounts` must outlive this.
  EditMapping(TargetDevice& device, const Header& header, RefcountAllocator& refcounts);

  // Reads the L2 table that describes virtual cluster `cluster`; Get and Set then act on it.
  // Tables are selected in ascending order.
  Status Select(std::uint64_t cluster);

  [[nodiscard]] std::uint64_t ClustersLeft(std::uint64_t cluster) const {
    return l2_entries_ - cluster % l2_entries_;
  }

  [[nodiscard]] ClusterEntry Get(std::uint64_t cluster) const;

  // Describes a cluster anew. A table that is missing or shared with a snapshot is given a place of
  // its own.
  Status Set(std::uint64_t cluster, const ClusterEntry& entry);

  // Takes one reference from `clusters` host clusters once the tables no longer hold it.
  void ReleaseLater(std::uint64_t first_cluster, std::uint64_t clusters);

  // Publishes everything, and releases what it replaced: the caller flushes the device.
  Status Finish();

 private:
  static constexpr std::size_t kPendingBytes = std::size_t{1} << 20;
  static constexpr std::size_t kMaxPendingReleases = 65536;

  struct Table {
    std::uint64_t l1_index = 0;
    std::uint64_t offset = 0;
    bool moved = false;  // the L1 entry has to follow
    bool dirty = false;
    std::vector<std::byte> bytes;
  };
  struct Release {
    std::uint64_t first = 0;
    std::uint64_t clusters = 0;
  };

  Status OwnTable();
  void KeepTable();
  Status Publish();

  TargetDevice* device_;
  RefcountAllocator* refcounts_;
  Header header_;
  std::uint64_t entry_bytes_;
  std::uint64_t l2_entries_;
  ReadWindow l1_;
  std::optional<Table> table_;
  std::vector<Table> pending_;
  std::vector<Release> releases_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_EDIT_MAPPING_H_
