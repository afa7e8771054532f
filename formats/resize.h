// Giving the virtual disk of an image another size, in place and atomically: the file holds the old
// image or the new one at every moment, whatever happens (docs/inplace.md).
#ifndef FORMATS_RESIZE_H_
#define FORMATS_RESIZE_H_

#include <cstdint>
#include <optional>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/disk_content.h"
#include "formats/base/error.h"
#include "formats/base/growth.h"
#include "formats/base/ids.h"
#include "formats/base/raw_window.h"
#include "formats/base/workers.h"

namespace instar {

// How the file grows by what holds that part.
[[nodiscard]] constexpr Preallocation PreallocationOf(Growth growth) {
  switch (growth) {
    case Growth::kFalloc:
      return Preallocation::kFalloc;
    case Growth::kFull:
      return Preallocation::kFull;
    case Growth::kOff:
    case Growth::kMetadata:
      break;
  }
  return Preallocation::kOff;
}

struct ResizeOptions {
  FormatId format = FormatId::kRaw;
  TargetDevice* device = nullptr;     // the image, which nobody else writes to
  TargetDevice* data_file = nullptr;  // its external data file, where it has one
  DiskContent* content = nullptr;     // of the disk before
  // Length of the backing file's disk; nothing without a backing file.
  std::optional<std::uint64_t> backing_bytes;
  std::uint64_t size_bytes = 0;  // that the disk is to have; a multiple of 512
  Growth growth = Growth::kOff;
  RawWindow window{};          // of a raw image: which part of the file it is
  Workers* workers = nullptr;  // what much work is shared out to; null: none but the caller
};

// Changes the size. On an error before the change took effect the image is as it was, and so is the
// length of its file where the device can still set it. kInvalidArgument for sizes that the format
// has not, kUnsupported, kCorrupt for an image that has to be repaired first, kLimit, kNoSpace,
// kIo.
Status ResizeImage(const ResizeOptions& options);

}  // namespace instar

#endif  // FORMATS_RESIZE_H_
