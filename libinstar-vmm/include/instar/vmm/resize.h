// The verb `resize`, sandboxed.
#ifndef INSTAR_VMM_RESIZE_H_
#define INSTAR_VMM_RESIZE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "instar/requests.h"
#include "instar/result_records.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

// The sizes are a ResizeRecord's (instar/result_records.h).
struct ResizeReport : ResizeRecord {
  Isolation isolation = Isolation::kAuto;
  std::vector<std::string> warnings;  // one line each
};

struct ResizeOptions {
  ImageSpec image;
  SizeChange change = SizeChange::kAbsolute;
  std::uint64_t bytes = 0;  // of the new size, or that the disk grows or shrinks by
  bool shrink = false;      // --shrink: the disk may become smaller
  Growth growth = Growth::kOff;
  CacheMode cache = CacheMode::kWriteback;  // kUnsafe: nothing is flushed
  // Called once the guest has said what the image is and which size is asked for, even if the disk
  // cannot get that size. May be empty.
  std::function<void(const ResizeReport&)> opened;
  SandboxOptions sandbox;
};

// Gives the virtual disk of an image another size, in place. The file holds the old image or the
// new one at every moment, whatever happens to this process, to the system or to the disk. After an
// error it is the old one and as long as before, unless the message says that the change may have
// taken effect. With kUnsafe that does not hold for a crash of the system.
//
// kInvalidArgument for a size that the disk cannot get, kUnimplemented for a format that cannot do
// it, kResourceExhausted where there is no room, kFailedPrecondition if somebody else uses the
// image, kDataLoss if it has to be repaired first.
absl::StatusOr<ResizeReport> Resize(const ResizeOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_RESIZE_H_
