// Any bytes as a qcow2 image, walked: the extents partition the disk exactly, stay within the files
// they name, and do not depend on where the walk starts.
#ifndef FUZZ_QCOW2_MAP_FUZZ_H_
#define FUZZ_QCOW2_MAP_FUZZ_H_

#include "budgeted_device.h"
#include "extent_walk.h"
#include "formats/open.h"

namespace instar::fuzz {

inline void FuzzQcow2Map(std::span<const std::byte> input) {
  constexpr std::uint64_t kBudgetBytes = 8 << 20;
  for (const bool snapshot : {false, true}) {
    const BudgetedDevice file(input, DeviceId{1}, kBudgetBytes);
    const BudgetedDevice data(input, DeviceId{2}, kBudgetBytes);
    const auto reader = OpenImage(file, FormatId::kQcow2);
    if (!reader) return;
    const std::span<const Reference> references = (*reader)->references();
    for (std::size_t i = 0; i < references.size(); ++i) {
      if (references[i].role != ReferenceRole::kDataFile) continue;
      Require((*reader)->Attach(i, data).has_value(), "a data file can be attached");
    }
    if (snapshot && !(*reader)->SelectSnapshot("1")) return;
    WalkExtents(**reader, input.size(), input);
  }
}

}  // namespace instar::fuzz

#endif  // FUZZ_QCOW2_MAP_FUZZ_H_
