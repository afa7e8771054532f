// The verb `amend`, sandboxed.
#ifndef INSTAR_VMM_AMEND_H_
#define INSTAR_VMM_AMEND_H_

#include <absl/status/statusor.h>

#include <functional>
#include <string>
#include <vector>

#include "instar/result_records.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

// What the image is: an AmendRecord (instar/result_records.h).
struct AmendReport : AmendRecord {
  Isolation isolation = Isolation::kAuto;
  std::vector<std::string> warnings;  // one line each
};

struct AmendOptions {
  ImageSpec image;
  std::string image_options;                // -o: "NAME=VALUE,..."
  bool shrink = false;                      // --shrink: the disk may become smaller
  bool only_look = false;                   // find out what the image is, and change nothing
  CacheMode cache = CacheMode::kWriteback;  // kUnsafe: nothing is flushed
  // Called once the guest has said what the image is, even if it cannot be changed so. May be
  // empty.
  std::function<void(const AmendReport&)> opened;
  SandboxOptions sandbox;
};

// Changes the options of an image in place, all of them or none. What holds of Resize
// (instar/vmm/resize.h) when this process, the system or the disk fails, holds of this.
//
// kInvalidArgument for options that there are not or that contradict themselves or the image,
// kUnimplemented for what the image does not allow, kResourceExhausted where there is no room,
// kFailedPrecondition if somebody else uses the image, kDataLoss if it has to be repaired first.
absl::StatusOr<AmendReport> Amend(const AmendOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_AMEND_H_
