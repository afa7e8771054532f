// The verb `check`, sandboxed.
#ifndef INSTAR_VMM_CHECK_H_
#define INSTAR_VMM_CHECK_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "instar/result_records.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct CheckOptions {
  ImageSpec image;
  bool force_share = false;                 // -U
  CacheMode cache = CacheMode::kWriteback;  // -T
  RepairMode repair = RepairMode::kNone;    // -r
  bool dry_run = false;                     // with `repair`: tells what it would do
  SandboxOptions sandbox;
};

struct CheckFinding {
  using Kind = FindingKind;
  Kind kind = Kind::kCorruption;
  std::string text;              // one line, printable
  FixKind fix = FixKind::kNone;  // of a repair: what becomes of it
  std::uint64_t where = 0;       // these as Fix (formats/check.h)
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::string reason;  // of a repair: why nothing does; empty: it was not asked for
  std::string name;    // of the bitmap that it is about, bytes of the image; may be empty
};

// The format and the counts are a CheckRecord's (instar/result_records.h). What the format does not
// count is absent.
struct CheckResult : CheckRecord {
  std::vector<CheckFinding> findings;  // the first 10,000; the counts are of all
  Isolation isolation = Isolation::kAuto;
  std::vector<std::string> warnings;  // of the image as a whole, one line each
};

// Checks the metadata of one image, or repairs it, in place and as safely as Resize (resize.h)
// changes an image. No file that the image names is opened. Errors, with the codes of Info, where
// the image cannot be opened or the check could not be completed; of a repair also
// kResourceExhausted where there is no room and kFailedPrecondition if somebody else uses the
// image.
absl::StatusOr<CheckResult> Check(const CheckOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_CHECK_H_
