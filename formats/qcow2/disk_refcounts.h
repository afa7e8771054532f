// The refcounts of an image as they stand on disk, looked up cluster by cluster.
#ifndef FORMATS_QCOW2_DISK_REFCOUNTS_H_
#define FORMATS_QCOW2_DISK_REFCOUNTS_H_

#include <cstdint>
#include <optional>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/header.h"
#include "formats/qcow2/refcount.h"

namespace instar::qcow2 {

// Entries of the refcount table: bits 0 to 8 are reserved.
inline constexpr std::uint64_t kRefcountBlockReserved = 0x1FF;

// Holds a piece of the table and one of a block: cheap for clusters in ascending order.
class DiskRefcounts {
 public:
  // `device` must outlive this.
  DiskRefcounts(const BlockDevice& device, const Header& header);

  // The refcount of the cluster with index `cluster`: 0 where nothing counts it. Nothing where its
  // refcount block is misplaced.
  Result<std::optional<std::uint64_t>> At(std::uint64_t cluster) {
    if (cluster >= first_ && cluster < end_ && !counts_.empty()) [[likely]] {
      return std::optional(LoadRefcount(counts_, cluster - first_, header_.refcount_order));
    }
    return Seek(cluster);
  }

  [[nodiscard]] std::uint64_t table_entries() const { return table_entries_; }
  // Entry `index`, which is below table_entries(), of the refcount table.
  Result<std::uint64_t> TableEntry(std::uint64_t index);

 private:
  Result<std::optional<std::uint64_t>> Seek(std::uint64_t cluster);
  // Makes [first_, end_) hold `cluster`.
  Status Fill(std::uint64_t cluster);

  const Header header_;
  const std::uint64_t table_entries_;
  ReadWindow table_;
  ReadWindow block_;
  // Clusters about which all is known: counted in counts_ (from first_ on), in no block, or in a
  // misplaced one.
  std::uint64_t first_ = 0;
  std::uint64_t end_ = 0;
  std::span<const std::byte> counts_;
  bool misplaced_ = false;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_DISK_REFCOUNTS_H_
