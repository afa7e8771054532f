// Dirty bitmaps within a change in place. A bitmap of which something changes gets a new table, and
// all get a new directory.
// tests/unit/formats/qcow2/resizer_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_BITMAP_CHANGE_H_
#define FORMATS_QCOW2_EDIT_BITMAP_CHANGE_H_

#include <cstdint>

#include "formats/base/error.h"
#include "formats/qcow2/edit/image_change.h"

namespace instar::qcow2 {

// kUnsupported, with the name, if a bitmap was not stored completely (the flag in_use), kCorrupt.
Status CheckBitmapsCanChange(ImageChange& change);

// kUnsupported, with a name, if there are bitmaps.
Status CheckNoBitmaps(ImageChange& change);

// Fits the bitmaps of a disk of `old_bytes` to one of `new_bytes`: what is added is clear.
Status ResizeBitmaps(ImageChange& change, std::uint64_t old_bytes, std::uint64_t new_bytes);

// Sets the bits of [0, end_bytes) of the disk in every bitmap that records writes.
Status MarkWritten(ImageChange& change, std::uint64_t end_bytes);

// Gives what bitmaps have from host offset `offset` on other places.
Status MoveBitmapsFrom(ImageChange& change, std::uint64_t offset);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_BITMAP_CHANGE_H_
