// Stands in for the description of qcow2 images where nobody asks for one.
#include "formats/qcow2/description.h"

namespace instar::qcow2 {

Status Describe(const BlockDevice&, const Header&, const HeaderExtensions&, ReportSink&) {
  return Unsupported("this guest image does not describe images");
}

}  // namespace instar::qcow2
