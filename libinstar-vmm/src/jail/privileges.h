// What a process owns besides files and paths: environment, limits, capabilities, and the ways to
// get more of them.
#ifndef LIBINSTAR_VMM_SRC_JAIL_PRIVILEGES_H_
#define LIBINSTAR_VMM_SRC_JAIL_PRIVILEGES_H_

#include <absl/status/status.h>

#include <cstdint>
#include <span>

namespace instar::vmm {

// Closes every descriptor but `keep` (in any order, with repetitions).
absl::Status CloseAllBut(std::span<const int> keep);

struct ProcessLimits {
  std::uint64_t file_bytes = ~std::uint64_t{0};
  std::uint64_t descriptors = ~std::uint64_t{0};
  std::uint64_t new_data_bytes = ~std::uint64_t{0};  // beyond what the process has now
};
// No core dumps; files no longer than asked (a longer one is an error, not a signal); no more
// descriptors and no more private memory than asked. Never raises a limit. How much memory there is
// already /proc tells; without it that limit is left out.
absl::Status LimitProcess(const ProcessLimits& limits);

// no_new_privs (nothing this process executes gains rights) and not dumpable (no other process of
// the same user may read its memory).
absl::Status RenouncePrivileges();

struct KeptCapabilities {
  bool read_any_file = false;    // CAP_DAC_READ_SEARCH
  bool change_any_file = false;  // CAP_DAC_OVERRIDE
};
// Drops every capability but those, in all sets, where the process has any. They stay because a
// user who is root may work on files of others: without them the gate could not open what root may
// read, nor a target be removed from another's directory. Landlock and seccomp confine what they
// are good for.
absl::Status DropCapabilities(const KeptCapabilities& keep);

// No further process or thread. Last, when all threads exist.
void ForbidProcesses();

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_JAIL_PRIVILEGES_H_
