// The jail the host puts around itself before the first guest instruction.
#ifndef LIBINSTAR_VMM_SRC_JAIL_JAIL_H_
#define LIBINSTAR_VMM_SRC_JAIL_JAIL_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "instar/vmm/sandbox.h"

namespace instar::vmm {

// What must go on working inside.
struct JailNeeds {
  std::vector<int> keep_fds;          // besides 0, 1 and 2; everything else is closed
  std::vector<int> read_directories;  // O_PATH descriptors: files beneath may be opened read-only
  // Those that the opener walks from, if it opens files: the same, but for a file that may be
  // opened by itself its directory.
  std::vector<int> walked_directories;
  // O_PATH descriptors of the directories in which files were created. Nothing in the jail removes
  // a file: the opener does.
  std::vector<int> unlink_directories;
  std::vector<int> opener_sockets;  // of the opener, if it opens and removes files (opener.h)
  int opener_pidfd = -1;            // its process, which may be waited for
  // Set, with read_directories and without an opener: the only path that readlinkat may have.
  const char* link_path = nullptr;
  Isolation isolation =
      Isolation::kAuto;  // which executor's system calls to allow (KVM ioctls, futexes, ...)
  std::uint64_t max_file_bytes = ~std::uint64_t{0};  // RLIMIT_FSIZE
  int child_pidfd = -1;         // kProcess: the process of the guest, which may be killed
  unsigned max_open_files = 0;  // descriptors that may be opened inside, besides keep_fds
  // RLIMIT_DATA: private memory that may come to what there is when the jail is entered.
  std::uint64_t max_new_data_bytes = ~std::uint64_t{0};
  bool streams = false;  // one of keep_fds is a pipe: spliced into, and waited for
};

// Step 1, single-threaded: closes stray descriptors, clears the environment, sets rlimits,
// no_new_privs, dumpable 0, drops capabilities, enters Landlock as far as the kernel has it.
// Threads made afterwards inherit all of it.
absl::Status EnterJail(const JailNeeds& needs, Timing* timing = nullptr);

// Step 2, when all threads exist: the seccomp filter, on all threads, violations kill the process.
absl::Status SealJail(const JailNeeds& needs);

// What this kernel offers, for `doctor` and --require: Landlock ABI version (0: none) and whether
// seccomp filters work.
int LandlockVersion();
bool SeccompAvailable();
// Whether paths can be kept inside a directory: OK, or errno says why not.
bool Openat2Available();

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_JAIL_JAIL_H_
