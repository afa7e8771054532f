#include "formats/vhdx/replayed_device.h"

#include <algorithm>
#include <cstring>

namespace instar::vhdx {
namespace {

// The part of [offset, offset + length) in `out`, which stands at `out_offset`.
std::span<std::byte> PartOf(std::span<std::byte> out, std::uint64_t out_offset,
                            std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t first = std::max(offset, out_offset);
  const std::uint64_t end = std::min(offset + length, out_offset + out.size());
  if (first >= end) return {};
  return out.subspan(first - out_offset, end - first);
}

// The first change that ends after `offset`.
std::vector<DataChange>::const_iterator FirstAfter(const std::vector<DataChange>& changes,
                                                   std::uint64_t offset) {
  return std::ranges::partition_point(changes, [&](const DataChange& change) {
    return change.file_offset + kLogSectorBytes <= offset;
  });
}

}  // namespace

Status ReplayedDevice::Write(std::uint64_t, std::span<const std::byte>) {
  return MakeError(ErrorCode::kDenied, "an image with a log to be replayed is only read");
}

Result<std::size_t> ReplayedDevice::NextRuns(std::uint64_t offset, std::uint64_t max_length,
                                             std::span<FileRun> runs) const {
  const std::uint64_t end = offset + max_length;
  std::uint64_t hole_end = end;  // of a run that begins here, if it is one
  if (offset < device_.size_bytes()) {
    INSTAR_ASSIGN_OR_RETURN(
        const std::size_t count,
        device_.NextRuns(offset, std::min(max_length, device_.size_bytes() - offset),
                         has_changes() ? runs.first(1) : runs));
    if (!has_changes() || !runs.front().hole) return count;
    hole_end = std::min(end, offset + runs.front().length_bytes);
  }
  const auto change = FirstAfter(changes_.data, offset);
  const bool changed = change != changes_.data.end() && change->file_offset <= offset;
  if (changed) {
    hole_end = change->file_offset + kLogSectorBytes;
  } else if (change != changes_.data.end()) {
    hole_end = std::min(hole_end, change->file_offset);
  }
  runs.front() = {.length_bytes = std::min(hole_end, end) - offset, .hole = !changed};
  return std::size_t{1};
}

bool ReplayedDevice::Changes(std::uint64_t offset, std::uint64_t length) const {
  const auto change = FirstAfter(changes_.data, offset);
  if (change != changes_.data.end() && change->file_offset < offset + length) return true;
  return std::ranges::any_of(changes_.zeros, [&](const ZeroChange& zero) {
    return zero.file_offset < offset + length && offset < zero.file_offset + zero.bytes;
  });
}

Status ReplayedDevice::Apply(const DataChange& change, std::uint64_t offset,
                             std::span<std::byte> out) const {
  std::array<std::byte, kLogSectorBytes> sector{};
  INSTAR_TRY(device_.Read(change.log_sector_offset, sector));
  std::ranges::copy(change.leading, sector.begin());
  std::ranges::copy(change.trailing, sector.end() - change.trailing.size());
  const auto part = PartOf(out, offset, change.file_offset, kLogSectorBytes);
  const std::uint64_t skip = offset > change.file_offset ? offset - change.file_offset : 0;
  std::memcpy(part.data(), sector.data() + skip, part.size());
  return {};
}

Status ReplayedDevice::Read(std::uint64_t offset, std::span<std::byte> out) const {
  INSTAR_TRY(device_.Read(offset, out));
  if (!has_changes() || out.empty()) return {};
  // Zeros first; then the data, but for those that later zeros cover.
  for (const ZeroChange& zero : changes_.zeros) {
    std::ranges::fill(PartOf(out, offset, zero.file_offset, zero.bytes), std::byte{0});
  }
  for (auto change = FirstAfter(changes_.data, offset);
       change != changes_.data.end() && change->file_offset < offset + out.size(); ++change) {
    const bool zeroed_later = std::ranges::any_of(changes_.zeros, [&](const ZeroChange& zero) {
      return zero.order > change->order && zero.file_offset <= change->file_offset &&
             change->file_offset < zero.file_offset + zero.bytes;
    });
    if (!zeroed_later) INSTAR_TRY(Apply(*change, offset, out));
  }
  return {};
}

}  // namespace instar::vhdx
