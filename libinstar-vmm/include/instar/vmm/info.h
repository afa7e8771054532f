// The verb `info`, sandboxed.
#ifndef INSTAR_VMM_INFO_H_
#define INSTAR_VMM_INFO_H_

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "instar/vmm/image_spec.h"
#include "instar/vmm/report.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct InfoOptions {
  ImageSpec image;
  // Report the whole chain; else nothing the image names is opened, but for its own extents.
  bool backing_chain = false;
  bool partitions = false;   // report the partition table of a raw image ("partition-table")
  bool force_share = false;  // -U: read an image that somebody has open for writing
  SandboxOptions sandbox;
};

struct ImageInfo {
  std::string filename;   // as the user or the overlay named it, joined as qemu-img shows it
  std::string file_path;  // of the file it stands in: the same, unless ImageSpec::name is stated
  std::uint64_t actual_size = 0;      // bytes of storage the file occupies
  std::uint64_t file_size = 0;        // bytes, length of the file
  std::string full_backing_filename;  // backing-filename resolved lexically; empty without one
  ReportTree report;  // what the guest told: "format", "virtual-size", ... (InfoRequest)
};

struct InfoReport {
  std::vector<ImageInfo> images;           // top first; one unless backing_chain
  Isolation isolation = Isolation::kAuto;  // what was used
  std::vector<std::string> warnings;       // one line each
};

// Errors carry one readable line: kNotFound, kPermissionDenied, kInvalidArgument (user's input),
// kDataLoss (corrupt image), kUnimplemented (unsupported), kResourceExhausted (limits, no space),
// kFailedPrecondition (image in use), kAborted (guest fault, stall), kDeadlineExceeded
// (time_limit), kUnavailable (isolation not to be had).
absl::StatusOr<InfoReport> Info(const InfoOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_INFO_H_
