#include "io/block_sharing.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

namespace instar::vmm {
namespace {

constexpr std::uint64_t kBlock = 4096;
// In one call, so that the watchdog sees progress on a huge file, and the end of the run is seen.
constexpr std::uint64_t kMostAtOnce = std::uint64_t{1} << 30;

}  // namespace

bool BlockSharing::Hopeless(std::uint64_t pair) const {
  return std::ranges::find(hopeless_, pair) != hopeless_.end();
}

void BlockSharing::GiveUp(std::uint64_t pair) {
  hopeless_[next_] = pair;
  next_ = (next_ + 1) % hopeless_.size();
  misfits_ = 0;
}

std::uint64_t BlockSharing::Share(const SharedRange& range) {
  const std::uint64_t length = std::min(range.length - range.length % kBlock, kMostAtOnce);
  const bool aligned = (range.source_offset | range.target_offset) % kBlock == 0;
  if (length == 0 || !aligned || Hopeless(range.pair)) return 0;
  const file_clone_range clone = {.src_fd = range.source_fd,
                                  .src_offset = range.source_offset,
                                  .src_length = length,
                                  .dest_offset = range.target_offset};
  int result = 0;
  do {
    result = ioctl(range.target_fd, FICLONERANGE, &clone);
  } while (result != 0 && errno == EINTR);
  if (result == 0) {
    misfits_ = 0;
    return length;
  }
  // EINVAL: the range ends beyond the source, or the file system's blocks are larger.
  if (errno != EINVAL || ++misfits_ == kPatience) GiveUp(range.pair);
  return 0;
}

}  // namespace instar::vmm
