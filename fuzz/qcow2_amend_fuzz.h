// Any bytes as a qcow2 image that is given other options (changed_file.h says what is demanded).
#ifndef FUZZ_QCOW2_AMEND_FUZZ_H_
#define FUZZ_QCOW2_AMEND_FUZZ_H_

#include "changed_file.h"
#include "formats/amend.h"

namespace instar::fuzz {

inline void FuzzQcow2Amend(std::span<const std::byte> input) {
  auto change = SplitInput(input);
  if (!change) return;
  const auto next = [&](std::uint64_t most) { return change->Next(most); };
  const auto image = change->image;
  FileInMemory file(image);
  FileInMemory data_file(std::span<const std::byte>{});
  SomeContent content;
  AmendOptions options{.format = FormatId::kQcow2, .device = &file, .content = &content};
  if (next(2) != 0) options.data_file = &data_file;
  if (next(2) != 0) options.backing_bytes = 100000;
  if (const std::uint64_t version = next(3); version != 0) {
    options.version = static_cast<std::uint32_t>(version + 1);
  }
  if (const std::uint64_t width = next(8); width != 0) options.refcount_bits = 1U << (width - 1);
  if (const std::uint64_t lazy = next(3); lazy != 0) options.lazy_refcounts = lazy == 1;
  if (next(4) == 0) options.data_file_raw = false;
  if (next(4) == 0) options.data_file_name = "another.raw";
  if (next(2) != 0) options.size_bytes = change->wish % (std::uint64_t{1} << 45) / 512 * 512;
  RequireOldOrSound(file, image, AmendImage(options));
}

}  // namespace instar::fuzz

#endif  // FUZZ_QCOW2_AMEND_FUZZ_H_
