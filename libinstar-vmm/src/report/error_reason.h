// The system's words for an error, and what they leave out.
#ifndef LIBINSTAR_VMM_SRC_REPORT_ERROR_REASON_H_
#define LIBINSTAR_VMM_SRC_REPORT_ERROR_REASON_H_

#include <string>

namespace instar::vmm {

// "No space left on device" for ENOSPC. Of a file that may not become longer (EFBIG) it names the
// limits that can be the cause. Opens no file, so it may run in the jail.
[[nodiscard]] std::string ErrorReason(int error);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_ERROR_REASON_H_
