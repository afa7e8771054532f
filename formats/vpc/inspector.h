// The strict profile of VHD: footer, its copy, dynamic header, and every block of the table.
#ifndef FORMATS_VPC_INSPECTOR_H_
#define FORMATS_VPC_INSPECTOR_H_

#include "formats/base/error.h"
#include "formats/inspect.h"

namespace instar::vpc {

// As InspectImage, of a file that has the format's signature.
Status Inspect(const Inspection& inspection);

}  // namespace instar::vpc

#endif  // FORMATS_VPC_INSPECTOR_H_
