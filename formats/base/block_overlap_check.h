// Finds out whether the blocks of an image share storage, and how much storage between them nobody
// uses, in memory that does not grow with the image.
//
// The caller tells where each block stands, in any order. Those with the lowest offsets are kept,
// sorted and compared with their neighbours; where there are more than fit, the caller tells them
// all again, and the next lowest are looked at. A million blocks a pass, in 32 MiB.
#ifndef FORMATS_BASE_BLOCK_OVERLAP_CHECK_H_
#define FORMATS_BASE_BLOCK_OVERLAP_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/check.h"

namespace instar {

class BlockOverlapCheck {
 public:
  // Storage from `first_offset` on may be used by blocks. Each overlap found is added to
  // `findings`, with `message` ({0x} and {1x}: the offsets of the two).
  BlockOverlapCheck(std::uint64_t first_offset, FindingSink& findings, const char* message,
                    std::size_t most_kept = std::size_t{1} << 20)
      : findings_(findings), message_(message), most_kept_(most_kept), used_end_(first_offset) {}

  // A block of `bytes` at `offset`.
  void Add(std::uint64_t offset, std::uint64_t bytes);

  // Looks at what was told. True if all blocks have to be told once more.
  bool EndPass();

  [[nodiscard]] std::uint64_t overlaps() const { return overlaps_; }
  // End of the last block.
  [[nodiscard]] std::uint64_t used_end() const { return used_end_; }
  // How many blocks of `block_bytes` would fit into the gaps, the one up to `end` included.
  [[nodiscard]] std::uint64_t UnusedBlocks(std::uint64_t end) const {
    return unused_blocks_ + (end > used_end_ ? (end - used_end_) / leak_bytes_ : 0);
  }
  // What counts as a block for UnusedBlocks; before the first EndPass.
  void set_leak_bytes(std::uint64_t bytes) { leak_bytes_ = bytes; }

 private:
  struct Block {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  void KeepLowest();

  FindingSink& findings_;
  const char* message_;
  std::size_t most_kept_;
  std::vector<Block> kept_;
  bool dropped_ = false;
  std::uint64_t low_ = 0;         // blocks below have been looked at
  std::uint64_t used_start_ = 0;  // of the block that ends at used_end_
  std::uint64_t used_end_;
  std::uint64_t leak_bytes_ = ~std::uint64_t{0};
  std::uint64_t overlaps_ = 0;
  std::uint64_t unused_blocks_ = 0;
};

}  // namespace instar

#endif  // FORMATS_BASE_BLOCK_OVERLAP_CHECK_H_
