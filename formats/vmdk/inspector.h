// The strict profile of VMDK: one file with its descriptor inside, and every table down to the
// grains.
#ifndef FORMATS_VMDK_INSPECTOR_H_
#define FORMATS_VMDK_INSPECTOR_H_

#include "formats/base/error.h"
#include "formats/inspect.h"

namespace instar::vmdk {

// As InspectImage, of a file that has the format's signature.
Status Inspect(const Inspection& inspection);

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_INSPECTOR_H_
