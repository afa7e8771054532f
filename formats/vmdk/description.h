// What info tells of a VMDK image.
#ifndef FORMATS_VMDK_DESCRIPTION_H_
#define FORMATS_VMDK_DESCRIPTION_H_

#include <span>

#include "formats/base/error.h"
#include "formats/base/report_sink.h"
#include "formats/vmdk/descriptor.h"
#include "formats/vmdk/disk_extent.h"

namespace instar::vmdk {

// Emits "format-specific" and "dirty-flag" as qemu-img's JSON has them, but for the names of files:
// an extent whose file is open has "device" in place of "filename".
Status Describe(const Descriptor& descriptor, std::span<const DiskExtent> extents,
                ReportSink& sink);

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_DESCRIPTION_H_
