// What info tells of a qcow2 image.
#ifndef FORMATS_QCOW2_READ_DESCRIPTION_H_
#define FORMATS_QCOW2_READ_DESCRIPTION_H_

#include <string_view>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/report_sink.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"

namespace instar::qcow2 {

// Emits "snapshots" (if there are any), "format-specific", "encrypted" (if it is) and "dirty-flag".
// Keys, values and the order inside each object are those of qemu-img's JSON.
Status Describe(const BlockDevice& device, const Header& header, const HeaderExtensions& extensions,
                ReportSink& sink);

// `text` up to its first NUL, which is where names end for qemu-img whatever length is stored.
[[nodiscard]] inline std::string_view UpToNul(std::string_view text) {
  return text.substr(0, text.find('\0'));
}

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_READ_DESCRIPTION_H_
