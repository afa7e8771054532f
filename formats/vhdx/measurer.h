// How large a fresh VHDX would be.
#ifndef FORMATS_VHDX_MEASURER_H_
#define FORMATS_VHDX_MEASURER_H_

#include <memory>

#include "formats/measure.h"

namespace instar::vhdx {

// Errors as Writer::Create.
Result<std::unique_ptr<ImageMeasurer>> CreateMeasurer(const CreateOptions& options);

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_MEASURER_H_
