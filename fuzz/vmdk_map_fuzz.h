// Any bytes as a VMDK image, walked and checked: the extents partition the disk exactly, stay
// within the files they name, and do not depend on where the walk starts.
#ifndef FUZZ_VMDK_MAP_FUZZ_H_
#define FUZZ_VMDK_MAP_FUZZ_H_

#include "budgeted_device.h"
#include "formats/open.h"
#include "image_walk.h"

namespace instar::fuzz {

inline void FuzzVmdkMap(std::span<const std::byte> input) {
  constexpr std::uint64_t kBudgetBytes = 8 << 20;
  const BudgetedDevice file(input, DeviceId{1}, kBudgetBytes);
  const BudgetedDevice extent(input, DeviceId{2}, kBudgetBytes);
  const auto reader = OpenImage(file, FormatId::kVmdk);
  if (!reader) return;
  const std::span<const Reference> references = (*reader)->references();
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (references[i].role != ReferenceRole::kExtent) continue;
    if (!(*reader)->Attach(i, extent)) return;
  }
  WalkAndCheck(file, **reader, input.size(), input);
}

}  // namespace instar::fuzz

#endif  // FUZZ_VMDK_MAP_FUZZ_H_
