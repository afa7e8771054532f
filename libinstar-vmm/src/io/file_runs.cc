#include "io/file_runs.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>

namespace instar::vmm {
namespace {

// Beyond the end of any file.
constexpr std::uint64_t kFar = std::uint64_t{1} << 62;

std::uint64_t FarFrom(std::uint64_t offset, std::uint64_t max_length) {
  return std::max(max_length, kFar - std::min(offset, kFar));
}

// How much data there is at `offset`; nothing if that is a hole or cannot be told.
std::optional<std::uint64_t> DataLength(int fd, std::uint64_t offset) {
  const off_t hole = lseek(fd, static_cast<off_t>(offset), SEEK_HOLE);
  if (hole <= static_cast<off_t>(offset)) return std::nullopt;
  return static_cast<std::uint64_t>(hole) - offset;
}

}  // namespace

RunOfFile FindRun(int fd, std::uint64_t offset, std::uint64_t max_length, bool after_hole) {
  if (after_hole) {
    if (const auto length = DataLength(fd, offset)) {
      return {.length = std::min(max_length, *length), .hole = false};
    }
    // The file has changed.
  }
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
  // The file may have changed between the two calls; a run is never empty.
  const std::uint64_t length = DataLength(fd, offset).value_or(max_length);
  return {.length = std::min(max_length, length), .hole = false};
}

RunOfFile FindUnits(int fd, std::uint64_t offset, std::uint64_t max_length,
                    std::uint64_t unit_bytes, bool after_hole) {
  const std::uint64_t in_unit = unit_bytes - offset % unit_bytes;
  // Where data begins there is often little of it: its end is not asked.
  if (after_hole) return {.length = std::min(max_length, in_unit), .hole = false};
  RunOfFile run = FindRun(fd, offset, max_length);
  if (!run.hole && run.length < max_length) {
    const std::uint64_t over = (offset + run.length) % unit_bytes;
    if (over != 0) run.length = std::min(max_length, run.length + (unit_bytes - over));
  }
  return run;
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
  const std::uint64_t far = FarFrom(offset, max_length);
  const RunOfFile run = FindRun(fd, offset, far, offset != 0 && offset == hole_end_);
  if (run.hole && run.length < far) hole_end_ = offset + run.length;
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
                          std::uint64_t max_length, std::uint64_t wanted_length) {
  if (key != key_ || offset < start_ || offset >= end_) {
    const bool follows_data = key == key_ && offset == end_ && !hole_;
    step_ = follows_data ? std::min(2 * step_, kLongestStep) : kFirstStep;
    key_ = key;
    start_ = offset;
    hole_ = FindRun(shared, fd, offset, 1).hole;
    end_ =
        offset + (hole_ ? FindRun(shared, fd, offset, FarFrom(offset, max_length)).length : step_);
  }
  while (!hole_ && end_ - offset < std::min(wanted_length, max_length) &&
         !FindRun(shared, fd, end_, 1).hole) {
    step_ = std::min(2 * step_, kLongestStep);
    end_ += step_;
  }
  return {.length = std::min(max_length, end_ - offset), .hole = hole_};
}

}  // namespace instar::vmm
