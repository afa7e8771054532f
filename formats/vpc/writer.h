// Writes fresh VHD images, fixed and dynamic, and into existing ones.
#ifndef FORMATS_VPC_WRITER_H_
#define FORMATS_VPC_WRITER_H_

#include <memory>

#include "formats/base/image_writer.h"
#include "formats/create.h"

namespace instar::vpc {

// A writer as `options` ask for; writes nothing yet. kInvalidArgument, kLimit.
Result<std::unique_ptr<ImageWriter>> CreateWriter(const CreateOptions& options);

// A writer into the VHD that options.target holds (convert -n): what is not placed keeps its
// content. kUnsupported for differencing disks, kNoSpace if the disk is smaller than asked for;
// kCorrupt, kIo.
Result<std::unique_ptr<ImageWriter>> Overwrite(const CreateOptions& options);

}  // namespace instar::vpc

#endif  // FORMATS_VPC_WRITER_H_
