#include "formats/raw/window.h"

#include <algorithm>

#include "formats/base/checked.h"

namespace instar::raw {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

constexpr std::uint64_t WholeSectors(std::uint64_t bytes) {
  return DivideRoundUp(bytes, kSectorBytes) * kSectorBytes;
}

}  // namespace

Result<Stretch> PlaceWindow(const RawWindow& window, std::uint64_t file_bytes) {
  if (file_bytes > INT64_MAX - kSectorBytes) {
    return OverLimit("a raw image of {0} bytes is too large", file_bytes);
  }
  const std::uint64_t end = WholeSectors(file_bytes);
  if (window.offset_bytes > end) {
    return InvalidArgument("Offset ({0}) cannot be greater than size of the containing file ({1})",
                           window.offset_bytes, end);
  }
  std::uint64_t disk_bytes = WholeSectors(end - window.offset_bytes);
  if (window.size_bytes != RawWindow::kToTheEnd) {
    if (window.size_bytes % kSectorBytes != 0) {
      return InvalidArgument("Specified size is not multiple of 512");
    }
    if (!RangeFits(window.offset_bytes, window.size_bytes, end)) {
      return InvalidArgument(
          "The sum of offset ({0}) and size ({1}) has to be smaller or equal to the actual size of "
          "the containing file ({2})",
          window.offset_bytes, window.size_bytes, end);
    }
    disk_bytes = window.size_bytes;
  }
  const std::uint64_t left = file_bytes - std::min(file_bytes, window.offset_bytes);
  return Stretch{.start_bytes = window.offset_bytes,
                 .file_bytes = std::min(left, disk_bytes),
                 .disk_bytes = disk_bytes};
}

}  // namespace instar::raw
