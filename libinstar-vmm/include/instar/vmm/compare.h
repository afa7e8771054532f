// The verb `compare`, sandboxed.
#ifndef INSTAR_VMM_COMPARE_H_
#define INSTAR_VMM_COMPARE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "instar/result_records.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct CompareOptions {
  ImageSpec first;
  ImageSpec second;
  bool strict = false;                      // -s: sizes and allocation must be the same, too
  bool force_share = false;                 // -U
  CacheMode cache = CacheMode::kWriteback;  // -T
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // may be empty; bytes
  SandboxOptions sandbox;
};

// The verdict, its offset and the sizes are a CompareRecord's (instar/result_records.h).
struct CompareReport : CompareRecord {
  using Verdict = CompareVerdict;
  absl::Status failure;  // the two kinds of kUnreadable: why
  Isolation isolation = Isolation::kAuto;
  std::vector<std::string> warnings;  // one line each
};

// Compares two virtual disks; what the shorter one lacks counts as zeros. The lowest difference (or
// fault) is told, whatever the number of workers. Errors, with the codes of Info, where an image
// cannot be opened or nothing could be found out.
absl::StatusOr<CompareReport> Compare(const CompareOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_COMPARE_H_
