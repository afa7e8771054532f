// The system calls that remain once the jail is closed.
//
// An allow-list: everything else kills the process. Arguments are checked where they decide what a
// call can do; what the kernel cannot check for us (the flags in openat2's struct, the path of an
// unlinkat) Landlock confines. Calls that are allowed whatever their arguments the kernel lets pass
// without running the filter, since Linux 5.11.
#ifndef LIBINSTAR_VMM_SRC_JAIL_SECCOMP_FILTER_H_
#define LIBINSTAR_VMM_SRC_JAIL_SECCOMP_FILTER_H_

#include <absl/status/status.h>

#include "jail/jail.h"

namespace instar::vmm {

// Installs the filter on all threads of the process.
absl::Status InstallSeccompFilter(const JailNeeds& needs);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_JAIL_SECCOMP_FILTER_H_
