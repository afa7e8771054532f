// Reads VHD images: fixed, dynamic and differencing.
#ifndef FORMATS_VPC_READER_H_
#define FORMATS_VPC_READER_H_

#include <memory>

#include "formats/base/image_reader.h"

namespace instar::vpc {

// Decodes and validates footer and header; of the tables nothing is read. `device` must outlive the
// reader. kCorrupt, kUnsupported, kLimit, kIo.
Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device);

}  // namespace instar::vpc

#endif  // FORMATS_VPC_READER_H_
