// Gives the disk of a qcow2 image another size.
//
// What lies above the old end of a disk that grows reads as zeros, whatever is there: bytes that a
// smaller disk left in the last cluster, entries that another program left in the tables, a backing
// file that is longer.
#ifndef FORMATS_QCOW2_EDIT_RESIZER_H_
#define FORMATS_QCOW2_EDIT_RESIZER_H_

#include "formats/base/error.h"
#include "formats/resize.h"

namespace instar::qcow2 {

// As ResizeImage (formats/resize.h). Version 2 images with snapshots are refused, as their
// snapshots do not say how large their disk is.
Status Resize(const ResizeOptions& options);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_RESIZER_H_
