// The verb `check`, sandboxed.
#ifndef INSTAR_VMM_CHECK_H_
#define INSTAR_VMM_CHECK_H_

#include <absl/status/statusor.h>

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
  SandboxOptions sandbox;
};

struct CheckFinding {
  using Kind = FindingKind;
  Kind kind = Kind::kCorruption;
  std::string text;  // one line, printable
};

// The format and the counts are a CheckRecord's (instar/result_records.h). What the format does not
// count is absent.
struct CheckResult : CheckRecord {
  std::vector<CheckFinding> findings;  // the first 10,000; the counts are of all
  Isolation isolation = Isolation::kAuto;
  std::vector<std::string> warnings;  // of the image as a whole, one line each
};

// Checks the metadata of one image. No file that the image names is opened. Errors, with the codes
// of Info, where the image cannot be opened or the check could not be completed.
absl::StatusOr<CheckResult> Check(const CheckOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_CHECK_H_
