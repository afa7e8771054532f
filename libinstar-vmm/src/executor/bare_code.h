// The last code of the host in the process of a guest.
//
// A fork inherits all memory of its parent: the caller's environment, its secrets, the program
// itself, and the writable alias of the guest's own code. None of it may be there when a guest
// runs. So what has to run at the very end is copied to a page of its own, the refuge, where the
// guest's threads meet; the first of them unmaps everything else and installs the system call
// filter. tests/hostile/jail.py looks at what is left.
//
// The code is position independent and calls nothing: no C library, no thread-local variable, no
// stack protector, no constant in memory.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_BARE_CODE_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_BARE_CODE_H_

#include <linux/filter.h>
#include <signal.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "instar/abi/call_table.h"
#include "instar/abi/mailbox.h"

namespace instar::vmm {

// [start, end), whole pages.
struct AddressRange {
  std::uint64_t start;
  std::uint64_t end;
};

// What one vCPU's thread needs once it has nothing else.
struct VcpuStart {
  std::uint64_t entry;
  std::uint64_t stack;
  std::uint64_t vcpu;
  std::uint64_t boot;
  std::uint32_t* arrived;              // other threads that are in the refuge
  std::uint32_t others;                // how many the first thread waits for
  std::uint32_t first;                 // 1: this one clears the place and shuts the door
  std::array<AddressRange, 2> ranges;  // which is cleared
  AddressRange may_stay;               // where the kernel may refuse to let a page go
  sock_fprog filter;
};

// The refuge lies below the guest, out of its reach but for reading.
struct Refuge {
  static constexpr std::uint64_t kBytes = 1 << 20;
  static constexpr std::uint64_t kBase = INSTAR_GUEST_BASE - kBytes;
  static constexpr std::size_t kCodeBytes = 4096;
  static constexpr std::size_t kFaultStackBytes = 16384;

  std::array<VcpuStart, INSTAR_MAX_WORKERS> starts;
  std::array<sock_filter, 48> filter;
  std::uint32_t arrived;
  alignas(16) std::array<std::array<std::byte, kFaultStackBytes>, INSTAR_MAX_WORKERS> fault_stacks;
};
static_assert(sizeof(Refuge) + Refuge::kCodeBytes <= Refuge::kBytes);

// Maps the refuge and copies the code there. Null on failure.
Refuge* MakeRefuge();

// The copy's signal handler: notes the fault where the host looks, and ends the process.
using FaultHandler = void (*)(int signal, siginfo_t* info, void* context);
FaultHandler BareFaultHandler();

// Goes to the refuge, on the guest's stack, and from there into the guest.
[[noreturn]] void EnterRefuge(const VcpuStart& start);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_BARE_CODE_H_
