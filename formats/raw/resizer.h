// Giving a raw image another size: its root is the length of its file, or, where it begins within
// the file, what the file has from there on.
#ifndef FORMATS_RAW_RESIZER_H_
#define FORMATS_RAW_RESIZER_H_

#include "formats/base/error.h"
#include "formats/resize.h"

namespace instar::raw {

// As ResizeImage (formats/resize.h), but the size need not be a multiple of 512. A window that has
// a size of its own (options.window) cannot be resized. On a disk the size that it has is accepted.
Status Resize(const ResizeOptions& options);

}  // namespace instar::raw

#endif  // FORMATS_RAW_RESIZER_H_
