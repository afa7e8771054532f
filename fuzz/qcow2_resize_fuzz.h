// Any bytes as a qcow2 image whose disk is given another size: what the old header reaches stays
// until the header is written, an image that is refused is as it was, and one that was changed has
// the new size, nothing counted too low and no more leaks than before.
#ifndef FUZZ_QCOW2_RESIZE_FUZZ_H_
#define FUZZ_QCOW2_RESIZE_FUZZ_H_

#include <algorithm>

#include "changed_file.h"
#include "formats/resize.h"

namespace instar::fuzz {

inline void FuzzQcow2Resize(std::span<const std::byte> input) {
  const auto change = SplitInput(input);
  if (!change) return;
  const auto& [wish, image] = *change;
  FileInMemory file(image);
  FileInMemory data_file(std::span<const std::byte>{});
  SomeContent content;
  ResizeOptions options{.format = FormatId::kQcow2,
                        .device = &file,
                        .data_file = (wish & 1) != 0 ? &data_file : nullptr,
                        .content = &content,
                        .size_bytes = (wish >> 8) % (std::uint64_t{1} << 45) / 512 * 512,
                        .growth = static_cast<Growth>(wish >> 2 & 3)};
  if ((wish & 2) != 0) options.backing_bytes = 100000;
  const Status resized = ResizeImage(options);
  RequireOldOrSound(file, image, resized);
}

}  // namespace instar::fuzz

#endif  // FUZZ_QCOW2_RESIZE_FUZZ_H_
