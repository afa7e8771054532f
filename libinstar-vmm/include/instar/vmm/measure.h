// The verb `measure`, sandboxed.
#ifndef INSTAR_VMM_MEASURE_H_
#define INSTAR_VMM_MEASURE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "instar/result_records.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct MeasureOptions {
  ImageSpec image;               // that would be converted; or
  std::uint64_t size_bytes = 0;  // without a path in it, an empty disk of this size
  SnapshotChoice snapshot;       // -l; empty for the active layer
  std::string target_format = "raw";
  std::string target_options;  // -o, joined by ','
  bool force_share = false;    // -U
  SandboxOptions sandbox;
};

// The sizes are a MeasureRecord's (instar/result_records.h).
struct MeasureReport : MeasureRecord {
  Isolation isolation = Isolation::kAuto;
  std::vector<std::string> warnings;  // one line each
};

// Error codes as Info.
absl::StatusOr<MeasureReport> Measure(const MeasureOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_MEASURE_H_
