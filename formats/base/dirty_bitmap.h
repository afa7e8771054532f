// Persistent dirty bitmaps: which granules of the virtual disk changed since the bitmap was started.
#ifndef FORMATS_BASE_DIRTY_BITMAP_H_
#define FORMATS_BASE_DIRTY_BITMAP_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/base/error.h"

namespace instar {

// One bitmap of an image. Bit i stands for bytes [i * granularity, (i + 1) * granularity) of the
// virtual disk.
struct DirtyBitmap {
  std::string_view name;  // bytes from the image: untrusted
  std::uint64_t granularity_bytes = 0;
  bool enabled = false;       // records writes when the image is next used
  bool inconsistent = false;  // was in use when its image was not closed: its bits say nothing
};

// The bits of a bitmap, lowest bit of the first byte first.
class BitmapBits {
 public:
  virtual ~BitmapBits() = default;

  // Fills `out` from bit `first_bit`, a multiple of 8. Bits beyond the disk are 0.
  virtual Status Read(std::uint64_t first_bit, std::span<std::byte> out) const = 0;
};

}  // namespace instar

#endif  // FORMATS_BASE_DIRTY_BITMAP_H_
