#include "io/large_pages.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "formats/base/checked.h"
#include "io/file_status.h"
#include "io/zero_scan.h"

namespace instar::vmm {
namespace {

constexpr std::uint64_t kPage = 4096;

// Whether of what lies between `end` and `offset` no page is untouched by both.
bool LeavesNoPageOut(std::uint64_t end, std::uint64_t offset) {
  return offset >= end && AlignDown(offset, kPage) <= AlignDown(end + kPage - 1, kPage);
}

bool HasZeroUnit(std::span<const std::byte> bytes, std::uint64_t unit) {
  for (std::size_t at = 0; at < bytes.size(); at += unit) {
    if (IsZero(bytes.subspan(at, std::min<std::size_t>(unit, bytes.size() - at)))) return true;
  }
  return false;
}

}  // namespace

bool LargePages::Serves(const BulkFile& target) const {
  return target.in_memory && mapped_.makes_large();
}

bool LargePages::Ends(const BulkFile& target, std::uint64_t offset, std::uint64_t end) const {
  const std::uint64_t length = end - offset;
  if (!Serves(target) || end % kBytes != 0 || length < kBytes / 2 || length > kBytes) {
    return false;
  }
  return length == kBytes || (written_.key == target.key && written_.first <= end - kBytes &&
                              LeavesNoPageOut(written_.end, offset));
}

bool LargePages::Begins(const BulkCopy& copy, std::uint64_t offset, std::uint64_t length) const {
  if (copy.next == nullptr || length >= kBytes || offset % kBytes != 0 || !Serves(copy.target)) {
    return false;
  }
  if (copy.zero_run_bytes != 0 && copy.target_offset % copy.zero_run_bytes != 0) return false;
  const BulkCopy& next = *copy.next;
  const std::uint64_t end = offset + length;
  return end == copy.target_offset + copy.length && next.target_offset >= end &&
         next.target_offset - end <= kPage && next.target_offset < offset + kBytes &&
         next.target_offset + next.length >= offset + kBytes;
}

void LargePages::JoinNext(const BulkCopy& copy, std::uint64_t into, std::span<std::byte> staging) {
  const std::uint64_t place = copy.target_offset + into;
  const std::uint64_t length = copy.length - into;
  if (!Begins(copy, place, length)) return;
  const BulkCopy& next = *copy.next;
  const std::uint64_t end = place + kBytes;
  if (copy.zero_run_bytes != 0) {
    const auto beginning = staging.subspan(length, end - next.target_offset);
    // With larger units holes of the source count as well.
    const std::uint64_t unit = std::min(copy.zero_run_bytes, kSmallUnit);
    if (HasZeroUnit(staging.first(length), unit) ||
        ReadUpToEnd(next.source.io, next.source_offset, beginning).bytes < beginning.size() ||
        HasZeroUnit(beginning, unit)) {
      return;
    }
  }
  if (!ReachTo(copy, end) || !mapped_.MakeLarge(copy.target.io.fd, place)) return;
  joined_ = {.key = copy.target.key,
             .place = place,
             .offset = next.target_offset,
             .source_key = next.source.key,
             .source_offset = next.source_offset};
}

std::uint64_t LargePages::TakeJoined(const BulkCopy& copy) {
  if (joined_.key != copy.target.key || joined_.offset != copy.target_offset ||
      joined_.source_key != copy.source.key || joined_.source_offset != copy.source_offset) {
    joined_ = {};
    return 0;
  }
  return std::min(copy.length, joined_.place + kBytes - joined_.offset);
}

void LargePages::NoteWritten(const BulkFile& target, std::uint64_t offset, std::uint64_t length) {
  if (written_.key != target.key || !LeavesNoPageOut(written_.end, offset)) {
    written_ = {.key = target.key, .first = offset};
  }
  written_.end = offset + length;
}

void LargePages::Bridge(const BulkFile& target, std::uint64_t offset) {
  if (written_.key != target.key || offset <= written_.end || offset - written_.end > kPage) return;
  written_.first = std::max(written_.first, written_.bridge_end);
  written_.bridge_end = offset;
  written_.end = offset;
}

bool LargePages::Copy(const BulkCopy& copy, std::uint64_t into, std::uint64_t length) {
  if (!copy.target.in_memory || length < MappedCopy::kLeastBytes || copy.source.input != nullptr ||
      copy.source.io.direct_fd >= 0) {
    return false;
  }
  const MappedPiece piece = {.source_fd = copy.source.io.fd,
                             .target_fd = copy.target.io.fd,
                             .source_offset = copy.source_offset + into,
                             .target_offset = copy.target_offset + into,
                             .length = length};
  const std::uint64_t end = piece.target_offset + length;
  const bool large = Ends(copy.target, piece.target_offset, end) ||
                     (joined_.key == copy.target.key && joined_.place <= piece.target_offset &&
                      end <= joined_.place + kBytes);
  if ((!large && !maps_) || !ReachTo(copy, end)) return false;
  return (large && mapped_.CopyLarge(piece)) || (maps_ && mapped_.Copy(piece));
}

void LargePages::Prepare(const BulkFile& target, std::uint64_t offset, std::uint64_t length,
                         const WorkMeter& meter) {
  if (length < kBytes || !Serves(target)) return;
  struct stat status{};
  if (FileStatus(target.io.fd, &status) != 0) return;
  const std::uint64_t end = std::min(offset + length, static_cast<std::uint64_t>(status.st_size));
  for (std::uint64_t at = AlignDown(offset + kBytes - 1, kBytes); at + kBytes <= end;
       at += kBytes) {
    if (meter.stopped()) return;
    mapped_.MakeLarge(target.io.fd, at);
  }
}

bool LargePages::ReachTo(const BulkCopy& copy, std::uint64_t end) {
  struct stat status{};
  if (FileStatus(copy.target.io.fd, &status) != 0) return false;
  if (static_cast<std::uint64_t>(status.st_size) >= end) return true;
  // To the end of what is about to be written for sure. One byte, and that whatever the others do
  // meanwhile no file becomes shorter.
  if (copy.zero_run_bytes == 0) end = std::max(end, copy.target_offset + copy.length);
  return fallocate(copy.target.io.fd, 0, static_cast<off_t>(end - 1), 1) == 0;
}

}  // namespace instar::vmm
