// Dirty bitmaps of an image: adds, removes, clears, enables, disables and merges them, in place and
// atomically. A list of actions is one change: all of them are done or none (docs/inplace.md).
#ifndef FORMATS_BITMAP_H_
#define FORMATS_BITMAP_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/base/bitmap_operation.h"
#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/ids.h"
#include "formats/base/workers.h"

namespace instar {

struct BitmapAction {
  BitmapOperation operation = BitmapOperation::kAdd;
  std::string_view source{};  // the bitmap that kMerge reads
};

// The first action that cannot be done, and why.
struct BitmapVerdict {
  BitmapFault fault = BitmapFault::kNone;
  std::uint32_t action = 0;  // its index
  std::uint64_t details[2] = {};
};

// Is told of the verdict on the actions, once, before anything is written. An error ends the
// change.
class BitmapListener {
 public:
  virtual ~BitmapListener() = default;
  virtual Status Judged(const BitmapVerdict& verdict) = 0;
};

struct BitmapOptions {
  FormatId format = FormatId::kRaw;
  TargetDevice* device = nullptr;  // the image, which nobody else writes to
  std::string_view name{};         // of the bitmap; kRemoveAll does not look at it
  std::span<const BitmapAction> actions{};
  // Of the disk that one bit stands for; 0: what the format makes by default. Counts for kAdd.
  std::uint64_t granularity_bytes = 0;
  // The image that has the bitmaps to merge; null: `device`.
  const BlockDevice* source = nullptr;
  FormatId source_format = FormatId::kRaw;
  BitmapListener* listener = nullptr;  // may be null
  Workers* workers = nullptr;          // what much work is shared out to; null: none but the caller
};

// Does all actions, in their order. On an error the image is as it was, and so is the length of its
// file where the device can still set it. kInvalidArgument for a list that cannot be done, kCorrupt
// for an image that has to be repaired first, kUnsupported, kLimit, kNoSpace, kIo.
Status ChangeBitmaps(const BitmapOptions& options);

}  // namespace instar

#endif  // FORMATS_BITMAP_H_
