// The verb `bitmap`, sandboxed.
#ifndef INSTAR_VMM_BITMAP_H_
#define INSTAR_VMM_BITMAP_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "formats/base/bitmap_operation.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct BitmapAction {
  BitmapOperation operation = BitmapOperation::kAdd;
  std::string source;  // of kMerge: the bitmap whose bits are set, too
};

struct BitmapReport {
  bool guessed_raw = false;  // nobody stated the format, and the image has no sign of any
  Isolation isolation = Isolation::kAuto;
  std::vector<std::string> warnings;  // one line each
};

struct BitmapOptions {
  ImageSpec image;
  std::string name;  // of the bitmap; kRemoveAll does not look at it
  std::vector<BitmapAction> actions;
  // Bytes of the disk that one bit stands for, where a bitmap is added: a power of two from 512 to
  // 2 GiB. 0: the size of a cluster, but at least 4 KiB and at most 64 KiB.
  std::uint64_t granularity_bytes = 0;
  std::optional<ImageSpec> source;  // the image with the bitmaps to merge; else `image` has them
  // Called once the guest has said what the image is, even if the actions cannot be done. May be
  // empty.
  std::function<void(const BitmapReport&)> opened;
  SandboxOptions sandbox;
};

// Does all actions on a bitmap of an image, in their order, in place and as one change: all of them
// or none. The file holds the old image or the new one at every moment, as Resize has it
// (instar/vmm/resize.h).
//
// kInvalidArgument, with the action and the reason, for a list that cannot be done;
// kResourceExhausted where there is no room, kFailedPrecondition if somebody else uses the image,
// kDataLoss if it has to be repaired first.
absl::StatusOr<BitmapReport> Bitmap(const BitmapOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_BITMAP_H_
