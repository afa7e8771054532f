#include "io/file_runs.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

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
  if (max_length == 1) return {.length = 1, .hole = false};
  const off_t hole = lseek(fd, static_cast<off_t>(offset), SEEK_HOLE);
  const auto data_end = static_cast<std::uint64_t>(hole);
  // The file may have changed between the two calls; a run is never empty.
  if (hole < 0 || data_end <= offset) return {.length = max_length, .hole = false};
  return {.length = std::min(max_length, data_end - offset), .hole = false};
}

RunOfFile FileRuns::Find(int fd, std::uint64_t offset, std::uint64_t max_length) {
  // Who comes while another one asks waits for the answer, which is likely to be this one's, too.
  const std::lock_guard lock(mutex_);
  auto next = std::ranges::upper_bound(known_, offset, {}, &Known::start);
  if (next != known_.begin()) {
    const Known& found = *std::prev(next);
    if (offset < found.end) {
      return {.length = std::min(max_length, found.end - offset), .hole = found.hole};
    }
  }
  if (max_length == 1) {
    const RunOfFile first = FindRun(fd, offset, 1);
    if (!first.hole) return first;
  }
  const RunOfFile run = FindRun(fd, offset, FarFrom(offset, max_length));
  if (known_.size() == kMostKnown) {
    known_.clear();
    next = known_.end();
  }
  const std::uint64_t end = offset + run.length;
  const auto beyond = std::ranges::lower_bound(next, known_.end(), end, {}, &Known::start);
  next = known_.erase(next, beyond);  // the ends of this one, found before
  known_.insert(next, {.start = offset, .end = end, .hole = run.hole});
  return {.length = std::min(max_length, run.length), .hole = run.hole};
}

RunOfFile FindRun(FileRuns* runs, int fd, std::uint64_t offset, std::uint64_t max_length) {
  return runs != nullptr ? runs->Find(fd, offset, max_length) : FindRun(fd, offset, max_length);
}

RunOfFile RunMemory::Find(std::uint32_t key, int fd, FileRuns* shared, std::uint64_t offset,
                          std::uint64_t max_length) {
  if (key != key_ || offset < start_ || offset >= end_) {
    const bool follows_data = key == key_ && offset == end_ && !hole_;
    step_ = follows_data ? std::min(2 * step_, kLongestStep) : kFirstStep;
    key_ = key;
    start_ = offset;
    hole_ = FindRun(shared, fd, offset, 1).hole;
    end_ =
        offset + (hole_ ? FindRun(shared, fd, offset, FarFrom(offset, max_length)).length : step_);
  }
  return {.length = std::min(max_length, end_ - offset), .hole = hole_};
}

}  // namespace instar::vmm
