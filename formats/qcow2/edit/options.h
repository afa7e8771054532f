// Gives a qcow2 image other options: version, lazy refcounts, width of the refcounts, size, and
// what the header says of its data file.
#ifndef FORMATS_QCOW2_EDIT_OPTIONS_H_
#define FORMATS_QCOW2_EDIT_OPTIONS_H_

#include "formats/amend.h"
#include "formats/base/error.h"

namespace instar::qcow2 {

// As AmendImage (formats/amend.h). What only header fields say is one write of one sector; the
// image is not looked through.
Status Amend(const AmendOptions& options);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_OPTIONS_H_
