// The system calls that remain once the jail is closed.
//
// An allow-list: everything else kills the process. Arguments are checked where they decide what a
// call can do. Nothing that takes a path is on it, but for openat2 where Landlock confines that and
// no opener (opener.h) takes its place. Calls that are allowed whatever their arguments the kernel
// lets pass without running the filter, since Linux 5.11.
#ifndef LIBINSTAR_VMM_SRC_JAIL_SECCOMP_FILTER_H_
#define LIBINSTAR_VMM_SRC_JAIL_SECCOMP_FILTER_H_

#include <absl/status/status.h>

#include "jail/call_filter.h"
#include "jail/jail.h"

namespace instar::vmm {

// Installs the filter on all threads of the process.
absl::Status InstallSeccompFilter(const JailNeeds& needs);
// The same with another list.
absl::Status InstallFilter(const CallFilter& filter);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_JAIL_SECCOMP_FILTER_H_
