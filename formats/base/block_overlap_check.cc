#include "formats/base/block_overlap_check.h"

#include <algorithm>

namespace instar {

void BlockOverlapCheck::KeepLowest() {
  const auto middle = kept_.begin() + static_cast<std::ptrdiff_t>(most_kept_);
  std::ranges::nth_element(kept_, middle, {}, &Block::offset);
  kept_.resize(most_kept_);
  dropped_ = true;
}

void BlockOverlapCheck::Add(std::uint64_t offset, std::uint64_t bytes) {
  if (offset < low_) return;
  kept_.push_back({.offset = offset, .bytes = bytes});
  if (kept_.size() == 2 * most_kept_) KeepLowest();
}

bool BlockOverlapCheck::EndPass() {
  if (kept_.size() > most_kept_) KeepLowest();
  const bool more = dropped_;
  std::ranges::sort(kept_, {}, &Block::offset);
  if (more) {
    // Of those at the highest offset some may have been dropped: they are the next pass's, unless
    // there are no others.
    const std::uint64_t highest = kept_.back().offset;
    low_ = highest;
    if (kept_.front().offset == highest) {
      low_ = highest + 1;
    } else {
      while (kept_.back().offset == highest) kept_.pop_back();
    }
  }
  for (const Block& block : kept_) {
    if (block.offset < used_end_) {
      ++overlaps_;
      findings_.Add({.kind = FindingKind::kCorruption,
                     .message = message_,
                     .numbers = {block.offset, used_start_}});
    } else {
      unused_blocks_ += (block.offset - used_end_) / leak_bytes_;
    }
    if (block.offset + block.bytes > used_end_) {
      used_start_ = block.offset;
      used_end_ = block.offset + block.bytes;
    }
  }
  kept_.clear();
  dropped_ = false;
  return more;
}

}  // namespace instar
