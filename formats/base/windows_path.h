// Names of parent disks as VHD and VHDX images state them: UTF-16 text that is mostly a Windows
// path, made into the plain relative path that the reference gate understands.
#ifndef FORMATS_BASE_WINDOWS_PATH_H_
#define FORMATS_BASE_WINDOWS_PATH_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace instar {

// The UTF-16 text in `bytes` as UTF-8, up to the first NUL. Nothing if it is not well-formed
// (an odd byte, a surrogate without its pair).
[[nodiscard]] std::optional<std::vector<char>> Utf8FromUtf16(std::span<const std::byte> bytes,
                                                             std::endian order);

// `path` as a plain path: backslashes become slashes and leading "./" goes. A path that starts at a
// drive, a share or a volume means nothing here; of it the last component stays, which finds the
// parent in the directory of the image. A path without any of these stays as it is.
[[nodiscard]] std::vector<char> PlainPath(std::span<const char> path);

}  // namespace instar

#endif  // FORMATS_BASE_WINDOWS_PATH_H_
