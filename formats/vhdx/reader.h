// Reads VHDX images: fixed, dynamic and differencing, with or without a log to be replayed.
#ifndef FORMATS_VHDX_READER_H_
#define FORMATS_VHDX_READER_H_

#include <memory>

#include "formats/base/image_reader.h"

namespace instar::vhdx {

// Decodes and validates header, log, regions and metadata; of the block allocation table nothing is
// read. `device` must outlive the reader. kCorrupt, kUnsupported, kLimit, kIo.
Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device);

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_READER_H_
