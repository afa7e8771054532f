// Where the clusters of a fresh image go: one after another, with their refcounts written on the
// way.
//
// Refcount block i counts the clusters of range i, a stretch of RefcountsPerBlock clusters of the
// file. Because clusters are handed out in ascending order, the counts of a range are final soon
// after the next range is entered, so one block in memory is enough whatever the size of the image.
// The block itself stands at the start of its range, or, where a table that must be contiguous
// covers that place, right after the table. Only the offsets of the blocks are kept (the refcount
// table, at most 8 MiB).
#ifndef FORMATS_QCOW2_WRITE_WRITER_ALLOCATOR_H_
#define FORMATS_QCOW2_WRITE_WRITER_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/write/write_batch.h"

namespace instar::qcow2 {

struct ClusterRun {
  std::uint64_t offset = 0;    // of its first cluster in the file
  std::uint64_t clusters = 0;  // at least 1
};

class WriterAllocator {
 public:
  // `batch` must outlive the allocator.
  WriterAllocator(WriteBatch& batch, unsigned cluster_bits, unsigned refcount_order);

  // `clusters` contiguous clusters for a table; the offset of the first.
  Result<std::uint64_t> AllocateTable(std::uint64_t clusters);

  // At least 1 and at most `max_clusters` contiguous clusters for data.
  Result<ClusterRun> AllocateRun(std::uint64_t max_clusters);

  // Room for `bytes` (1 to a cluster less 1) of compressed data. Shares the cluster that the
  // previous compressed data ended in where its refcount can count one more.
  Result<std::uint64_t> AllocateBytes(std::uint64_t bytes);

  // Writes the last refcount block. Nothing may be allocated afterwards.
  Status Finish();

  // Offsets of the refcount blocks: the entries of the refcount table.
  [[nodiscard]] std::span<const std::uint64_t> refcount_blocks() const { return blocks_; }

  // End of the file's last cluster in use.
  [[nodiscard]] std::uint64_t end_bytes() const { return next_ << cluster_bits_; }

  // End of the last bytes handed out, rounded to sectors after compressed data.
  [[nodiscard]] std::uint64_t used_end_bytes() const;

 private:
  Status CheckRoom(std::uint64_t clusters) const;
  Status AddBlock();
  Status Count(std::uint64_t until);
  Status WriteBlock();
  void ShareTail();
  [[nodiscard]] bool TailCanBeShared() const;

  WriteBatch* batch_;
  unsigned cluster_bits_;
  unsigned refcount_order_;
  std::uint64_t per_block_;
  std::uint64_t next_ = 0;     // first cluster not handed out
  std::uint64_t counted_ = 0;  // clusters below are counted in the current or an earlier block

  std::vector<std::uint64_t> blocks_;
  std::vector<std::byte> block_;  // counts of range current_block_
  std::uint64_t current_block_ = 0;

  // The cluster that compressed data ended in: its first free byte, 0 when there is none.
  std::uint64_t tail_ = 0;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_WRITE_WRITER_ALLOCATOR_H_
