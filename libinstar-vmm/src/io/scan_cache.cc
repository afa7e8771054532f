#include "io/scan_cache.h"

#include <algorithm>

namespace instar::vmm {

std::span<std::byte> ScanCache::Reserve(std::size_t length) {
  const std::span<std::byte> memory = buffer_.Get();
  if (used_ > memory.size() || length > memory.size() - used_ || count_ == segments_.size()) {
    return {};
  }
  return memory.subspan(used_, length);
}

void ScanCache::Keep(std::uint32_t key, std::uint64_t offset, std::span<const std::byte> content) {
  if (count_ > 0) {
    Segment& last = segments_[count_ - 1];
    if (last.key == key && last.offset + last.content.size() == offset &&
        last.content.data() + last.content.size() == content.data()) {
      last.content = {last.content.data(), last.content.size() + content.size()};
      used_ += content.size();
      return;
    }
  }
  segments_[count_++] = {.key = key, .offset = offset, .content = content};
  // Segments start aligned, for files read with O_DIRECT.
  used_ = std::min(kBytes, (used_ + content.size() + 4095) / 4096 * 4096);
}

std::span<const std::byte> ScanCache::Find(std::uint32_t key, std::uint64_t offset,
                                           std::uint64_t length) const {
  for (const Segment& segment : std::span(segments_).first(count_)) {
    if (segment.key != key || offset < segment.offset) continue;
    const std::uint64_t into = offset - segment.offset;
    if (into >= segment.content.size()) continue;
    const std::uint64_t available = segment.content.size() - into;
    return segment.content.subspan(into, std::min(available, length));
  }
  return {};
}

std::uint64_t ScanCache::NextKept(std::uint32_t key, std::uint64_t offset,
                                  std::uint64_t length) const {
  std::uint64_t next = offset + length;
  for (const Segment& segment : std::span(segments_).first(count_)) {
    if (segment.key == key && segment.offset > offset) next = std::min(next, segment.offset);
  }
  return next;
}

}  // namespace instar::vmm
