// Checks a VHDX: see checker.cc for what is looked at.
#ifndef FORMATS_VHDX_CHECKER_H_
#define FORMATS_VHDX_CHECKER_H_

#include "formats/check.h"

namespace instar::vhdx {

// As CheckImage.
Result<CheckCounts> Check(const CheckOptions& options);

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_CHECKER_H_
