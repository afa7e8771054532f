// The refcounts that an image had before a change in place, in ranges of any length.
//
// Not thread-safe. tests/unit/formats/qcow2/amend_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_OLD_REFCOUNTS_H_
#define FORMATS_QCOW2_EDIT_OLD_REFCOUNTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/edit/cluster_space.h"
#include "formats/qcow2/structures/header.h"

namespace instar::qcow2 {

class OldRefcounts {
 public:
  // `device` must outlive this. Nothing is read yet.
  OldRefcounts(const BlockDevice& device, const Header& header);

  // Reads the refcount table. kCorrupt, kIo.
  Status Load();

  // Offsets of the blocks, 0 for none.
  [[nodiscard]] const std::vector<std::uint64_t>& blocks() const { return blocks_; }
  [[nodiscard]] const ClusterRun& table() const { return table_; }
  // Behind this cluster there are no blocks.
  [[nodiscard]] std::uint64_t end() const { return used_ * per_block_; }
  // Whether one of the blocks counts some of [first, end).
  [[nodiscard]] bool HasBlockFor(std::uint64_t first, std::uint64_t end) const;

  // Fills `out` with the counts of the clusters from `first` on. One block is kept in memory. kIo.
  Status Read(std::uint64_t first, std::span<std::uint64_t> out);

  // The clusters of the blocks and of the table, in ascending order.
  [[nodiscard]] std::vector<std::uint64_t> OwnClusters() const;

 private:
  const BlockDevice& device_;
  const unsigned cluster_bits_;
  const unsigned order_;
  const std::uint64_t per_block_;
  const ClusterRun table_;
  std::vector<std::uint64_t> blocks_;
  std::uint64_t used_ = 0;  // entries of the table up to the last that is not 0

  std::uint64_t kept_index_ = ~std::uint64_t{0};
  std::vector<std::byte> kept_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_OLD_REFCOUNTS_H_
