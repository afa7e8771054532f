// What of the protection a run demands to be active.
#ifndef LIBINSTAR_VMM_SRC_OPERATION_REQUIREMENTS_H_
#define LIBINSTAR_VMM_SRC_OPERATION_REQUIREMENTS_H_

#include <absl/status/status.h>

#include "instar/vmm/sandbox.h"

namespace instar::vmm {

// kUnavailable if something that is required is not active in a run with this isolation, which is
// not kAuto. The line names what is missing.
absl::Status CheckRequirements(const SandboxOptions& sandbox, Isolation used);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_OPERATION_REQUIREMENTS_H_
