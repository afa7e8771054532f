// Checks a VHD: see checker.cc for what is looked at.
#ifndef FORMATS_VPC_CHECKER_H_
#define FORMATS_VPC_CHECKER_H_

#include "formats/check.h"

namespace instar::vpc {

// As CheckImage.
Result<CheckCounts> Check(const CheckOptions& options);

}  // namespace instar::vpc

#endif  // FORMATS_VPC_CHECKER_H_
