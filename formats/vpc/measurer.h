// How large a fresh VHD would be.
#ifndef FORMATS_VPC_MEASURER_H_
#define FORMATS_VPC_MEASURER_H_

#include <memory>

#include "formats/measure.h"

namespace instar::vpc {

// Errors as CreateWriter.
Result<std::unique_ptr<ImageMeasurer>> CreateMeasurer(const CreateOptions& options);

}  // namespace instar::vpc

#endif  // FORMATS_VPC_MEASURER_H_
