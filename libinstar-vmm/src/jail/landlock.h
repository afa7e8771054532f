// Landlock: the kernel refuses this process every path but the few it was given.
#ifndef LIBINSTAR_VMM_SRC_JAIL_LANDLOCK_H_
#define LIBINSTAR_VMM_SRC_JAIL_LANDLOCK_H_

#include <absl/status/status.h>

#include <vector>

namespace instar::vmm {

struct LandlockNeeds {
  std::vector<int> read_directories;    // files beneath may be opened for reading
  bool signal_other_processes = false;  // a child made before must be killed
};

// Restricts the calling thread, and those it makes, for good. Handles every right the running
// kernel knows, so that all that is not listed is denied: files, TCP, abstract sockets, signals.
// kUnavailable on a kernel without Landlock. Needs no_new_privs.
absl::Status EnterLandlock(const LandlockNeeds& needs);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_JAIL_LANDLOCK_H_
