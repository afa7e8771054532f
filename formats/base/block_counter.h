// Counts the blocks of a disk that hold data, told of the data in ascending order.
#ifndef FORMATS_BASE_BLOCK_COUNTER_H_
#define FORMATS_BASE_BLOCK_COUNTER_H_

#include <algorithm>
#include <cstdint>

#include "formats/base/checked.h"
#include "formats/base/error.h"

namespace instar {

class BlockCounter {
 public:
  // A disk of `virtual_bytes` in blocks of `block_bytes` (not 0).
  BlockCounter(std::uint64_t virtual_bytes, std::uint64_t block_bytes)
      : virtual_bytes_(virtual_bytes), block_bytes_(block_bytes) {}

  // Data of `length` bytes at `offset`. kInvalidArgument if they are not on the disk, or come
  // before what was told already.
  Status Add(std::uint64_t offset, std::uint64_t length) {
    if (length == 0) return {};
    if (offset < told_bytes_ || !RangeFits(offset, length, virtual_bytes_)) {
      return InvalidArgument("{1} bytes at {0} are not on what is left of a disk of {2}", offset,
                             length, virtual_bytes_);
    }
    told_bytes_ = offset + length;
    const std::uint64_t first = std::max(offset / block_bytes_, next_block_);
    next_block_ = DivideRoundUp(told_bytes_, block_bytes_);
    count_ += next_block_ - first;
    return {};
  }

  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::uint64_t virtual_bytes_;
  std::uint64_t block_bytes_;
  std::uint64_t told_bytes_ = 0;
  std::uint64_t next_block_ = 0;  // the first that is not counted yet
  std::uint64_t count_ = 0;
};

}  // namespace instar

#endif  // FORMATS_BASE_BLOCK_COUNTER_H_
