// The strict profile of VHDX: header, log, regions, metadata, and every block of the table.
#ifndef FORMATS_VHDX_INSPECTOR_H_
#define FORMATS_VHDX_INSPECTOR_H_

#include "formats/base/error.h"
#include "formats/inspect.h"

namespace instar::vhdx {

// As InspectImage, of a file that has the format's signature.
Status Inspect(const Inspection& inspection);

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_INSPECTOR_H_
