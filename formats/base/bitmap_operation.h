// What can be done to a dirty bitmap, and why it may be refused (formats/bitmap.h).
#ifndef FORMATS_BASE_BITMAP_OPERATION_H_
#define FORMATS_BASE_BITMAP_OPERATION_H_

#include <cstdint>

namespace instar {

// The values are part of the wire form of requests.
enum class BitmapOperation : std::uint32_t {
  kAdd = 0,
  kRemove = 1,
  kClear = 2,
  kEnable = 3,   // records what a guest writes from now on
  kDisable = 4,  // records nothing
  kMerge = 5,    // sets what another bitmap has set
  kRemoveAll = 6,
};
inline constexpr std::uint32_t kBitmapOperations = 7;

// Why a list of actions cannot be done. The values are part of the wire form of results.
enum class BitmapFault : std::uint32_t {
  kNone = 0,
  kNotFound = 1,             // there is no bitmap of that name
  kSourceNotFound = 2,       // nor one to merge
  kExists = 3,               // there is one already
  kNameEmpty = 4,            //
  kNameTooLong = 5,          // details: the most bytes
  kGranularity = 6,          // no power of two, or not from 512 bytes to 2 GiB
  kNoBitmaps = 7,            // the format has none
  kOldVersion = 8,           // the version of the format has none
  kTooLarge = 9,             // the bits would take too much room
  kTooMany = 10,             // there are as many bitmaps as there may be
  kDirectoryFull = 11,       // or their names are too long together
  kInconsistent = 12,        // the bitmap was not stored completely
  kSourceInconsistent = 13,  // the bitmap to merge was not
  kOtherSize = 14,  // details: size of the disk, and of the one whose bitmap is to be merged
  kNoDisk = 15,     // the disk has no bytes
};
inline constexpr std::uint32_t kBitmapFaults = 16;

}  // namespace instar

#endif  // FORMATS_BASE_BITMAP_OPERATION_H_
