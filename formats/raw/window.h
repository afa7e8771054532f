// Where in a file a raw disk lies.
#ifndef FORMATS_RAW_WINDOW_H_
#define FORMATS_RAW_WINDOW_H_

#include <cstdint>

#include "formats/base/error.h"
#include "formats/base/raw_window.h"

namespace instar::raw {

// What a window comes to in a file.
struct Stretch {
  std::uint64_t start_bytes = 0;
  std::uint64_t file_bytes = 0;  // of the disk that the file really has
  std::uint64_t disk_bytes = 0;  // in whole sectors; the rest reads as zeros
};

// Where `window` lies in a file of `file_bytes`, which count as whole sectors of 512 bytes.
// kInvalidArgument if it is not within them or its size no multiple of 512, kLimit for files of
// nearly 2^63 bytes and more.
Result<Stretch> PlaceWindow(const RawWindow& window, std::uint64_t file_bytes);

}  // namespace instar::raw

#endif  // FORMATS_RAW_WINDOW_H_
