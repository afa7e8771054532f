// The verb `measure`, sandboxed.
#ifndef INSTAR_VMM_MEASURE_H_
#define INSTAR_VMM_MEASURE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

struct MeasureReport {
  Isolation isolation = Isolation::kAuto;
  std::uint64_t required_bytes = 0;           // length of the file that holds the data
  std::uint64_t fully_allocated_bytes = 0;    // the same when all of the disk is written
  std::optional<std::uint64_t> bitmap_bytes;  // what --bitmaps would add, where it can be used
  std::vector<std::string> warnings;          // one line each
};

// Error codes as Info.
absl::StatusOr<MeasureReport> Measure(const MeasureOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_MEASURE_H_
