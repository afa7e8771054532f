// Any bytes as a qcow2 image whose bitmaps are changed, also by what the image itself has as a
// second one (changed_file.h says what is demanded).
#ifndef FUZZ_QCOW2_BITMAP_FUZZ_H_
#define FUZZ_QCOW2_BITMAP_FUZZ_H_

#include <vector>

#include "changed_file.h"
#include "formats/bitmap.h"

namespace instar::fuzz {

inline void FuzzQcow2Bitmap(std::span<const std::byte> input) {
  constexpr std::string_view kNames[] = {"a", "b", "fine", "coarse"};
  auto change = SplitInput(input);
  if (!change) return;
  const auto next = [&](std::uint64_t most) { return change->Next(most); };
  const auto image = change->image;
  FileInMemory file(image);
  const BudgetedDevice other(image, DeviceId{2}, 32 << 20);
  BitmapOptions options{.format = FormatId::kQcow2, .device = &file, .name = kNames[next(4)]};
  if (next(2) != 0) {
    options.source = &other;
    options.source_format = FormatId::kQcow2;
  }
  options.granularity_bytes = next(2) << (9 + next(24));
  std::vector<BitmapAction> actions(1 + next(5));
  for (BitmapAction& action : actions) {
    action.operation = static_cast<BitmapOperation>(next(kBitmapOperations));
    action.source = kNames[next(4)];
  }
  options.actions = actions;
  RequireOldOrSound(file, image, ChangeBitmaps(options));
}

}  // namespace instar::fuzz

#endif  // FUZZ_QCOW2_BITMAP_FUZZ_H_
