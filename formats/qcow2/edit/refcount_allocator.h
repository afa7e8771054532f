// The refcounts of an image that is changed in place: any width, any place of the blocks, and a
// refcount table that grows.
//
// New clusters are taken beyond the last cluster that is counted, so that nothing the image holds,
// counted rightly or not, is written over. A refcount block that is missing for them is made where
// they are; a table that is too short is replaced by a longer one, which the header then points to.
// Counts change in memory (a few blocks are cached) and reach the file with Flush or when a block
// has to make room; raising counts early and lowering them late, as the caller does, at worst
// leaks.
#ifndef FORMATS_QCOW2_EDIT_REFCOUNT_ALLOCATOR_H_
#define FORMATS_QCOW2_EDIT_REFCOUNT_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/qcow2/structures/header.h"

namespace instar::qcow2 {

class RefcountAllocator {
 public:
  // `device` must outlive the store; `header` is validated. Nothing is read yet.
  RefcountAllocator(TargetDevice& device, const Header& header);

  // Reads the refcount table and finds the end of what is in use. kCorrupt, kIo.
  Status Load();

  // Whether host cluster `cluster` holds the header or one of the tables it names, so that nothing
  // else may.
  [[nodiscard]] bool IsFixed(std::uint64_t cluster) const;

  // References to host cluster `cluster`; 0 where none are counted.
  Result<std::uint64_t> Get(std::uint64_t cluster);

  // Counts one reference more. kLimit where the width of the counts is exhausted.
  Status Raise(std::uint64_t cluster);
  // Counts one reference less. kCorrupt if there is none.
  Status Lower(std::uint64_t cluster);

  // Takes `clusters` contiguous free clusters with a count of 1; the offset of the first. kLimit.
  Result<std::uint64_t> Allocate(std::uint64_t clusters);

  // Writes every changed block, then the table. Flushes the device in between where blocks are new,
  // and where the table moved.
  Status Flush();

  // End of the last cluster in use.
  [[nodiscard]] std::uint64_t end_bytes() const { return next_ << cluster_bits_; }
  [[nodiscard]] std::uint64_t max_count() const;

 private:
  static constexpr std::size_t kCachedBlocks = 4;

  struct CachedBlock {
    std::uint64_t range = 0;  // counts clusters range * per_block_ and on
    std::uint64_t used = 0;   // when it was last looked at
    bool dirty = false;
    std::vector<std::byte> bytes;
  };
  struct OldTable {
    std::uint64_t offset = 0;
    std::uint64_t clusters = 0;
  };

  // The block of `range`, which must exist. Valid until the next call.
  Result<CachedBlock*> Block(std::uint64_t range);
  // A place in the cache, with nothing in it that is not in the file.
  Result<CachedBlock*> CacheSlot();
  Status WriteBlock(CachedBlock& block);
  Status AddBlock(std::uint64_t range);
  Status GrowTable(std::uint64_t range);
  Status Set(std::uint64_t cluster, std::uint64_t count);
  Status WriteTable();
  Status FindEnd();

  TargetDevice* device_;
  unsigned cluster_bits_;
  unsigned order_;
  std::uint64_t per_block_;
  std::uint64_t table_offset_;
  std::uint64_t table_clusters_;
  std::uint64_t l1_first_;  // clusters [first, end) of the L1 table
  std::uint64_t l1_end_;

  std::vector<std::uint64_t> table_;  // offsets of the blocks, 0 for none
  std::size_t dirty_first_ = 0;       // entries [first, last) of the table differ from the file
  std::size_t dirty_last_ = 0;
  std::vector<OldTable> old_tables_;  // replaced since the last Flush
  std::vector<CachedBlock> cache_;
  std::uint64_t clock_ = 0;
  std::uint64_t next_ = 0;  // first cluster beyond all in use
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_REFCOUNT_ALLOCATOR_H_
