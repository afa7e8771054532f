// Which files a fresh image consists of besides the one that the user names: some kinds of VMDK
// keep their data in extents of their own. Header-only: the host makes the files before anything is
// written, the writer names them in the descriptor, and both go by this.
#ifndef FORMATS_BASE_TARGET_FILES_H_
#define FORMATS_BASE_TARGET_FILES_H_

#include <cstdint>
#include <string_view>

#include "formats/base/formats.h"

namespace instar {

// The most files an image is divided into. With its descriptor, its source and what the machine
// needs they stay below 1024 open files, which is all that many systems give a process.
inline constexpr std::uint64_t kMaxTargetExtents = 960;

// Number of files besides the named one of an image of `format`, created with `settings` and
// `virtual_size_bytes`. 0 for most. May exceed kMaxTargetExtents: then the image cannot be made.
[[nodiscard]] constexpr std::uint64_t TargetExtentCount(FormatId format, OptionSettings settings,
                                                        std::uint64_t virtual_size_bytes) {
  const auto count = PropertiesOf(format).extent_count;
  return count == nullptr ? 0 : count(settings, virtual_size_bytes);
}

// Whether TargetExtentCount can be other than 0 whatever the size.
[[nodiscard]] constexpr bool HasTargetExtents(FormatId format, OptionSettings settings) {
  return TargetExtentCount(format, settings, 1) != 0;
}

// Appends to `out` (anything with push_back(char)) the name of the file with `suffix` besides
// `target_name`, both without directory: "disk-flat.vmdk", "disk-s001.vmdk" for "disk.vmdk".
template <typename Text>
constexpr void AppendTargetExtentName(const ExtentSuffix& suffix, std::string_view target_name,
                                      Text& out) {
  const auto append = [&out](std::string_view text) {
    for (const char c : text) out.push_back(c);
  };
  const std::size_t dot = target_name.rfind('.');
  append(target_name.substr(0, dot));
  for (const char c : suffix) {
    if (c != '\0') out.push_back(c);
  }
  if (dot != std::string_view::npos) append(target_name.substr(dot));
}

}  // namespace instar

#endif  // FORMATS_BASE_TARGET_FILES_H_
