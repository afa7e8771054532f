// The strict profile of qcow2: features, references, and every table down to the L2 entries of the
// active disk. Snapshots and bitmaps are looked through down to the tables that they name.
#ifndef FORMATS_QCOW2_READ_INSPECTOR_H_
#define FORMATS_QCOW2_READ_INSPECTOR_H_

#include "formats/base/error.h"
#include "formats/inspect.h"

namespace instar::qcow2 {

// As InspectImage, of a file that has the format's signature.
Status Inspect(const Inspection& inspection);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_READ_INSPECTOR_H_
