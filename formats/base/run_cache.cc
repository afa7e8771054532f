#include "formats/base/run_cache.h"

#include <algorithm>

#include "formats/base/checked.h"

namespace instar {

Result<FileRun> RunCache::At(const BlockDevice& device, std::uint64_t offset,
                             std::uint64_t max_length) {
  if (!Holds(device, offset)) {
    const bool same = device.id() == device_ && count_ != 0;
    if (same && offset < start_ && start_ - offset <= kBackBytes) {
      INSTAR_TRY(Ask(device, AlignDown(offset, kBackBytes), kMaxRuns));
    }
    if (!Holds(device, offset)) {
      wanted_ = same && offset >= end_ ? std::min(2 * wanted_, kMaxRuns) : 1;
      INSTAR_TRY(Ask(device, offset, wanted_));
    }
  }
  if (offset < at_start_) {
    at_ = 0;
    at_start_ = start_;
  }
  while (offset - at_start_ >= runs_[at_].length_bytes) at_start_ += runs_[at_++].length_bytes;
  const std::uint64_t left = runs_[at_].length_bytes - (offset - at_start_);
  return FileRun{.length_bytes = std::min(left, max_length), .hole = runs_[at_].hole};
}

Status RunCache::Ask(const BlockDevice& device, std::uint64_t offset, std::size_t most) {
  device_ = device.id();
  count_ = at_ = 0;
  start_ = end_ = at_start_ = offset;
  const std::uint64_t left = device.size_bytes() - offset;
  if (runs_.size() < most) runs_.resize(most);
  INSTAR_ASSIGN_OR_RETURN(const std::size_t count,
                          device.NextRuns(offset, left, std::span(runs_).first(most)));
  for (; count_ < std::min(count, most); ++count_) {
    FileRun& run = runs_[count_];
    run.length_bytes = std::clamp<std::uint64_t>(run.length_bytes, 1, left);
    // Whoever answers may be wrong about where the file ends.
    const std::uint64_t rest = left - (end_ - start_);
    if (rest == 0) break;
    run.length_bytes = std::min(run.length_bytes, rest);
    end_ += run.length_bytes;
  }
  if (count_ == 0) return MakeError(ErrorCode::kIo, "the holes of the file cannot be told");
  return {};
}

}  // namespace instar
