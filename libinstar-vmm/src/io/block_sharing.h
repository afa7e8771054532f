// Copies without moving bytes, where source and target lie on one file system that lets files share
// blocks (btrfs, XFS). The target then costs no storage until either file is changed, so nothing is
// lost by not looking for zeros in what is shared.
#ifndef LIBINSTAR_VMM_SRC_IO_BLOCK_SHARING_H_
#define LIBINSTAR_VMM_SRC_IO_BLOCK_SHARING_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace instar::vmm {

// One stretch of two files.
struct SharedRange {
  int source_fd = -1;
  int target_fd = -1;
  std::uint64_t pair = 0;  // tells pairs of files apart
  std::uint64_t source_offset = 0;
  std::uint64_t target_offset = 0;
  std::uint64_t length = 0;
};

// Remembers which files cannot share, so that trying costs one call a pair.
class BlockSharing {
 public:
  // Shares blocks from the front of the range; how many bytes, 0 if none could be. Offsets that are
  // not multiples of a block, and what is left behind the last whole block, are not shared.
  std::uint64_t Share(const SharedRange& range);

 private:
  static constexpr unsigned kPatience = 8;

  [[nodiscard]] bool Hopeless(std::uint64_t pair) const;
  void GiveUp(std::uint64_t pair);

  std::array<std::uint64_t, 16> hopeless_{};  // pairs, in a ring; 0 is none
  std::size_t next_ = 0;
  unsigned misfits_ = 0;  // ranges in a row that did not suit the file system
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_BLOCK_SHARING_H_
