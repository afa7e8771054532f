#include "formats/base/read_ahead.h"

namespace instar {

std::optional<std::span<const std::byte>> ReadAhead::Find(const ByteRange& range) {
  for (std::size_t i = 0; i < held_.size(); ++i) {
    const std::size_t index = last_ + i < held_.size() ? last_ + i : last_ + i - held_.size();
    const ByteRange& held = held_[index].range;
    if (range.offset < held.offset) continue;
    const std::uint64_t skipped = range.offset - held.offset;
    if (skipped > held.length_bytes || held.length_bytes - skipped < range.length_bytes) continue;
    last_ = index;
    return std::span<const std::byte>(buffer_).subspan(held_[index].position + skipped,
                                                       range.length_bytes);
  }
  return std::nullopt;
}

Result<std::span<const std::byte>> ReadAhead::Fetch(std::span<const ByteRange> ranges) {
  held_.clear();
  last_ = 0;
  std::size_t total = 0;
  for (const ByteRange& range : ranges) {
    if (!held_.empty() &&
        held_.back().range.offset + held_.back().range.length_bytes == range.offset) {
      held_.back().range.length_bytes += range.length_bytes;
    } else {
      held_.push_back({.range = range, .position = total});
    }
    total += range.length_bytes;
  }
  if (buffer_.size() < total) {
    buffer_ = {};  // there is no need to keep what it holds
    buffer_.resize(total);
  }
  if (const Status read = Read(held_); !read) {
    held_.clear();
    if (ranges.size() == 1) return std::unexpected(read.error());
    const Held first{.range = ranges.front()};
    INSTAR_TRY(Read({&first, 1}));
    held_.push_back(first);
  }
  return std::span<const std::byte>(buffer_).first(ranges.front().length_bytes);
}

Status ReadAhead::Read(std::span<const Held> wanted) {
  pieces_.clear();
  for (const Held& piece : wanted) {
    pieces_.push_back(
        {.offset = piece.range.offset,
         .out = std::span(buffer_).subspan(piece.position, piece.range.length_bytes)});
  }
  return device_->ReadAll(pieces_);
}

}  // namespace instar
