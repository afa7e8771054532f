// The strict profile: whether an image is one that a service should take in, sandboxed.
#ifndef INSTAR_VMM_STRICT_H_
#define INSTAR_VMM_STRICT_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct StrictOptions {
  std::string path;          // of a local file
  std::string format;        // needed; nothing is probed
  bool force_share = false;  // judge an image that somebody has open for writing
  SandboxOptions sandbox;    // max_virtual_bytes is the limit of the disk's size
};

// One thing that speaks against the image.
struct StrictReason {
  std::string code;          // stable: docs/strict.md lists all
  std::string message;       // one line for people; may change
  std::uint64_t offset = 0;  // where in the file it stands
};

struct StrictVerdict {
  bool passed = false;  // there are no reasons
  std::string format;   // as stated
  std::vector<StrictReason> reasons;
  Isolation isolation = Isolation::kAuto;  // what was used
};

// Judges the image. Nothing that it names is opened, and nothing is changed. An error, as Info's,
// means that it could not be judged; what speaks against the image is a reason, never an error.
absl::StatusOr<StrictVerdict> Inspect(const StrictOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_STRICT_H_
