#include "executor/bare_code.h"

#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "executor/guest_child.h"

#if defined(__clang__)
#define INSTAR_BARE_COVERAGE , no_sanitize("coverage")
#else
#define INSTAR_BARE_COVERAGE
#endif

#define INSTAR_BARE                                                          \
  __attribute__((section("instar_bare"), used, noinline, no_stack_protector, \
                 no_sanitize("address"), no_sanitize("undefined") INSTAR_BARE_COVERAGE))

extern "C" const std::byte __start_instar_bare[];
extern "C" const std::byte __stop_instar_bare[];

namespace instar::vmm {
namespace {

__attribute__((always_inline)) inline long Syscall(long number, long a, long b = 0, long c = 0,
                                                   long d = 0) {
  long result;
  register long fourth asm("r10") = d;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
               : "rcx", "r11", "memory");
  return result;
}

// Runs on its own stack with the guest's FS base.
INSTAR_BARE void OnFault(int signal, siginfo_t* info, void* context) {
  auto* fault = reinterpret_cast<GuestFault*>(INSTAR_GUEST_BASE + kGuestFaultOffset);
  fault->instruction =
      static_cast<std::uint64_t>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
  fault->address = reinterpret_cast<std::uint64_t>(info->si_addr);
  fault->signal = static_cast<std::uint64_t>(signal);
  Syscall(SYS_exit_group, 1);
  __builtin_unreachable();
}

// A page that is sealed makes the kernel refuse all of a request. So what is refused is halved
// until the refused pages stand alone; each has to be one that may stay.
__attribute__((always_inline)) inline void Unmap(const AddressRange& range,
                                                 const AddressRange& may_stay) {
  std::uint64_t at = range.start;
  std::uint64_t bytes = range.end - at;
  while (at < range.end) {
    const long result = Syscall(SYS_munmap, static_cast<long>(at), static_cast<long>(bytes));
    if (result == -EPERM && bytes > kSmallPage) {
      bytes = (bytes / 2 + kSmallPage - 1) / kSmallPage * kSmallPage;
      continue;
    }
    if (result != 0 && (result != -EPERM || at < may_stay.start || at >= may_stay.end)) {
      Syscall(SYS_exit_group, kChildSetupFailed);
    }
    at += bytes;
    bytes = range.end - at;
  }
}

// Waits until the host wants this vCPU, then never returns from the guest.
INSTAR_BARE void BareMain(const VcpuStart* start) {
  std::uint32_t* const arrived = start->arrived;
  if (start->first != 0) {
    const std::uint32_t others = start->others;
    for (std::uint32_t now; (now = __atomic_load_n(arrived, __ATOMIC_ACQUIRE)) < others;) {
      Syscall(SYS_futex, reinterpret_cast<long>(arrived), FUTEX_WAIT, now, 0);
    }
    for (std::size_t i = 0; i < 2; ++i) {
      const AddressRange* const range = reinterpret_cast<const AddressRange*>(&start->ranges) + i;
      Unmap(*range, start->may_stay);
    }
    if (Syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
                reinterpret_cast<long>(&start->filter)) != 0) {
      Syscall(SYS_exit_group, kChildSetupFailed);
    }
  } else {
    __atomic_add_fetch(arrived, 1, __ATOMIC_RELEASE);
    Syscall(SYS_futex, reinterpret_cast<long>(arrived), FUTEX_WAKE, 1, 0);
  }
  auto* const state = reinterpret_cast<std::uint32_t*>(start->vcpu + kMailboxOffset +
                                                       offsetof(instar_mailbox, state));
  while (__atomic_load_n(state, __ATOMIC_ACQUIRE) != INSTAR_MAILBOX_START) {
    Syscall(SYS_futex, reinterpret_cast<long>(state), FUTEX_WAIT, INSTAR_MAILBOX_IDLE, 0);
  }
  if (Syscall(SYS_arch_prctl, ARCH_SET_FS, static_cast<long>(start->vcpu)) != 0) {
    Syscall(SYS_exit_group, kChildSetupFailed);
  }
  asm volatile("mov %%rcx, %%rsp\n\tjmp *%%rax"
               :
               : "c"(start->stack), "a"(start->entry), "D"(start->boot)
               : "memory");
  __builtin_unreachable();
}

std::uint64_t InRefuge(const void* code) {
  return Refuge::kBase +
         static_cast<std::uint64_t>(static_cast<const std::byte*>(code) - __start_instar_bare);
}

}  // namespace

Refuge* MakeRefuge() {
  const auto bytes = static_cast<std::size_t>(__stop_instar_bare - __start_instar_bare);
  auto* const at = reinterpret_cast<std::byte*>(Refuge::kBase);
  if (bytes > Refuge::kCodeBytes) return nullptr;
  if (mmap(at, Refuge::kBytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at) {
    return nullptr;
  }
  std::memcpy(at, __start_instar_bare, bytes);
  if (mprotect(at, Refuge::kCodeBytes, PROT_READ | PROT_EXEC) != 0) return nullptr;
  return reinterpret_cast<Refuge*>(at + Refuge::kCodeBytes);
}

FaultHandler BareFaultHandler() {
  return reinterpret_cast<FaultHandler>(InRefuge(reinterpret_cast<const void*>(OnFault)));
}

void EnterRefuge(const VcpuStart& start) {
  // The stack is aligned as a call would leave it.
  asm volatile("mov %%rcx, %%rsp\n\tcall *%%rax"
               :
               : "c"(start.stack), "a"(InRefuge(reinterpret_cast<const void*>(BareMain))),
                 "D"(&start)
               : "memory");
  __builtin_unreachable();
}

}  // namespace instar::vmm
