#include "formats/raw/resizer.h"

#include "formats/base/checked.h"
#include "formats/raw/window.h"

namespace instar::raw {
namespace {

Status CheckGrowth(const ResizeOptions& options) {
  switch (options.growth) {
    case Growth::kOff:
      return {};
    case Growth::kMetadata:
      return Unsupported("Unsupported preallocation mode: metadata");
    case Growth::kFalloc:
    case Growth::kFull:
      if (!options.device->has_fixed_length()) return {};
      return Unsupported("the storage of a device cannot be preallocated");
  }
  return {};
}

}  // namespace

Status Resize(const ResizeOptions& options) {
  TargetDevice& device = *options.device;
  if (options.window.size_bytes != RawWindow::kToTheEnd) {
    return Unsupported("Cannot resize fixed-size raw disks");
  }
  const auto end = CheckedAdd(options.window.offset_bytes, options.size_bytes);
  if (!end || *end > INT64_MAX) {
    return InvalidArgument("Disk size too large for the chosen offset");
  }
  INSTAR_TRY(CheckGrowth(options));
  if (device.has_fixed_length()) {
    if (*end == device.size_bytes()) return {};
    return Unsupported("Cannot resize device files");
  }
  if (*end == device.size_bytes()) return {};
  const Preallocation how = PreallocationOf(options.growth);
  // What the old end leaves of its block reads as zeros when the file grows over it, and of a file
  // that becomes shorter nothing is left behind the end: the file system sees to both.
  return device.ResizeRoot(*end, how);
}

}  // namespace instar::raw
