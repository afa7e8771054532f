// Internal snapshots of an image: taken, applied and deleted in place and atomically. The file
// holds the old image or the new one at every moment, whatever happens (docs/inplace.md).
#ifndef FORMATS_SNAPSHOT_H_
#define FORMATS_SNAPSHOT_H_

#include <cstdint>
#include <string_view>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/ids.h"
#include "formats/base/workers.h"

namespace instar {

struct SnapshotOptions {
  FormatId format = FormatId::kQcow2;
  TargetDevice* device = nullptr;  // the image, which nobody else writes to
  Workers* workers = nullptr;      // what much work is shared out to; null: none but the caller
  std::string_view name;           // bytes, without NUL
  // Create: the time since 1970-01-01 00:00 UTC that the snapshot is said to be from.
  std::uint32_t date_seconds = 0;
  std::uint32_t date_nanoseconds = 0;
};

// Each is one change. On an error before it took effect the image is as it was, and so is the
// length of its file where the device can still set it. All: kUnsupported for formats, and images,
// that have no snapshots; kCorrupt for an image that has to be repaired first; kNoSpace, kIo.

// Keeps the disk as it is now as the snapshot `name`, which may exist already. kLimit where a
// refcount has not enough bits or the image has as many snapshots as it can have.
Status CreateSnapshot(const SnapshotOptions& options);

// Gives the disk the content and the size that it had in a snapshot: the first whose ID is `name`,
// or else the first of that name. kNotFound, kLimit.
Status ApplySnapshot(const SnapshotOptions& options);

// Deletes the first snapshot called `name`. kNotFound.
Status DeleteSnapshot(const SnapshotOptions& options);

}  // namespace instar

#endif  // FORMATS_SNAPSHOT_H_
