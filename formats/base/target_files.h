// Which files a fresh image consists of besides the one that the user names: some kinds of VMDK
// keep their data in extents of their own. Header-only: the host makes the files before anything is
// written, the writer names them in the descriptor, and both go by this.
#ifndef FORMATS_BASE_TARGET_FILES_H_
#define FORMATS_BASE_TARGET_FILES_H_

#include <cstdint>
#include <string_view>

#include "formats/base/ids.h"

namespace instar {

// The most files an image is divided into.
inline constexpr std::uint64_t kMaxTargetExtents = 4096;

// Number of files besides the named one of an image of `format`, created with `options` (-o) and
// `virtual_size_bytes`. 0 for most.
[[nodiscard]] constexpr std::uint64_t TargetExtentCount(FormatId format, std::string_view options,
                                                        std::uint64_t virtual_size_bytes) {
  (void)format;
  (void)options;
  (void)virtual_size_bytes;
  return 0;
}

}  // namespace instar

#endif  // FORMATS_BASE_TARGET_FILES_H_
