// Repairing an image in place and atomically: the file holds the damaged image as it was, or the
// repaired one, at every moment, whatever happens (docs/inplace.md).
#ifndef FORMATS_REPAIR_H_
#define FORMATS_REPAIR_H_

#include <cstdint>

#include "formats/base/block_device.h"
#include "formats/base/check_counts.h"
#include "formats/base/error.h"
#include "formats/base/ids.h"
#include "formats/base/workers.h"
#include "formats/check.h"

namespace instar {

struct RepairOptions {
  FormatId format = FormatId::kQcow2;
  const BlockDevice* image = nullptr;  // to be read by what checks it
  // The same file, which nobody else writes to; null: nothing is changed, and told is what would
  // be.
  TargetDevice* device = nullptr;
  Workers* workers = nullptr;  // what much work is shared out to; null: none but the caller
  FindingSink* findings = nullptr;
  RepairMode mode = RepairMode::kAll;
};

struct RepairCounts {
  CheckCounts left;  // as a check of the repaired image counts them
  std::uint64_t corruptions_fixed = 0;
  std::uint64_t leaks_fixed = 0;
};

// Whether images of the format can be repaired.
[[nodiscard]] bool CanRepair(FormatId format);

// Tells what is found, each with its fix: kNone for what is beyond repair, or not asked for; then
// repairs it; then tells what a check of the repaired image finds. Where a virtual disk was
// readable it reads the same afterwards. On an error before the change took effect the image is as
// it was. kUnsupported for formats that cannot be repaired; kCorrupt for images that cannot be
// opened, or where leaks cannot be told from what is in use before all is repaired; kLimit;
// kNoSpace; kIo.
Result<RepairCounts> RepairImage(const RepairOptions& options);

}  // namespace instar

#endif  // FORMATS_REPAIR_H_
