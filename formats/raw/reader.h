// Raw images: the file is the disk. Its size is rounded up to whole 512-byte sectors, as qemu-img
// does; what the file lacks of the last one reads as zeros.
#ifndef FORMATS_RAW_READER_H_
#define FORMATS_RAW_READER_H_

#include <memory>

#include "formats/base/image_reader.h"

namespace instar::raw {

// `device` must outlive the reader. kLimit for files of nearly 2^63 bytes and more.
Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device);

}  // namespace instar::raw

#endif  // FORMATS_RAW_READER_H_
