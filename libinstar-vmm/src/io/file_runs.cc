#include "io/file_runs.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace instar::vmm {
namespace {

// Beyond the end of any file.
constexpr std::uint64_t kFar = std::uint64_t{1} << 62;

std::uint64_t FarFrom(std::uint64_t offset, std::uint64_t max_length) {
  return std::max(max_length, kFar - std::min(offset, kFar));
}

}  // namespace

RunOfFile FindRun(int fd, std::uint64_t offset, std::uint64_t max_length) {
  const off_t data = lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) {
    // ENXIO: no data at or after the offset.
    return {.length = max_length, .hole = errno == ENXIO};
  }
  const auto data_start = static_cast<std::uint64_t>(data);
  if (data_start > offset) {
    return {.length = std::min(max_length, data_start - offset), .hole = true};
  }
  const off_t hole = lseek(fd, static_cast<off_t>(offset), SEEK_HOLE);
  const auto data_end = static_cast<std::uint64_t>(hole);
  // The file may have changed between the two calls; a run is never empty.
  if (hole < 0 || data_end <= offset) return {.length = max_length, .hole = false};
  return {.length = std::min(max_length, data_end - offset), .hole = false};
}

RunOfFile LongDataRun::Find(int fd, std::uint64_t offset, std::uint64_t max_length) {
  // Who comes while another one asks waits for the answer, which is likely to be this one's, too.
  const std::lock_guard lock(mutex_);
  if (offset < start_ || offset >= end_) {
    RunOfFile run = FindRun(fd, offset, FarFrom(offset, max_length));
    if (run.hole || run.length < kLong) {
      run.length = std::min(run.length, max_length);
      return run;
    }
    start_ = offset;
    end_ = offset + run.length;
  }
  return {.length = std::min(max_length, end_ - offset), .hole = false};
}

RunOfFile RunMemory::Find(std::uint32_t key, int fd, LongDataRun* shared, std::uint64_t offset,
                          std::uint64_t max_length) {
  if (key != key_ || offset < start_ || offset >= end_) {
    const std::uint64_t far = FarFrom(offset, max_length);
    const RunOfFile run =
        shared != nullptr ? shared->Find(fd, offset, far) : FindRun(fd, offset, far);
    key_ = key;
    start_ = offset;
    hole_ = run.hole;
    end_ = offset + run.length;
    if (!run.hole && run.length < kShortRun) end_ = offset + kPatience;
  }
  return {.length = std::min(max_length, end_ - offset), .hole = hole_};
}

}  // namespace instar::vmm
