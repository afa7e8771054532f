// Stands in for the description of images where nobody asks for one.
#include "formats/qcow2/read/description.h"
#include "formats/vmdk/description.h"

namespace instar::qcow2 {

Status Describe(const BlockDevice&, const Header&, const HeaderExtensions&, ReportSink&) {
  return Unsupported("this guest image does not describe images");
}

}  // namespace instar::qcow2

namespace instar::vmdk {

Status Describe(const Descriptor&, std::span<const DiskExtent>, ReportSink&) {
  return Unsupported("this guest image does not describe images");
}

}  // namespace instar::vmdk
