// The child side of the process executor: confine this process for good, then become the guest.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_CHILD_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_CHILD_H_

#include <sys/types.h>

#include <cstdint>

#include "executor/guest_layout.h"

namespace instar::vmm {

// What the child's fault handler leaves in the first page of guest memory, for the host to report.
struct GuestFault {
  std::uint64_t signal;  // 0: none
  std::uint64_t instruction;
  std::uint64_t address;
};
inline constexpr std::uint64_t kGuestFaultOffset = 0;
inline constexpr int kChildSetupFailed = 3;

// Called in the child right after fork by process `parent`, with guest memory mapped at `memory`.
// Moves it to its address, makes one thread a vCPU, closes every file, drops every privilege, and
// enters the guest. Where no more threads can be made the guest has fewer vCPUs. A confinement that
// cannot be put up ends the process with kChildSetupFailed.
[[noreturn]] void RunGuestChild(const GuestLayout& layout, void* memory, pid_t parent);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_CHILD_H_
