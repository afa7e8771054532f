// Reads qcow2 images of version 2 and 3.
#ifndef FORMATS_QCOW2_READ_READER_H_
#define FORMATS_QCOW2_READ_READER_H_

#include <memory>

#include "formats/base/image_reader.h"

namespace instar::qcow2 {

// Decodes and validates the header and its extensions; no table is read. `device` must outlive the
// reader. kCorrupt, kUnsupported, kLimit, kIo.
//
// An encrypted image opens and describes itself, but has no cursor. SelectSnapshot changes the
// mapping only: like qemu-img, the disk keeps the size it has today.
Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_READ_READER_H_
