// From the moment a thread's FS base is the guest's, nothing of the C library may run on it: no
// thread-local variable, no stack protector, no errno. What follows that moment is written with
// bare system calls.
#include "executor/guest_child.h"

#include <asm/prctl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#define INSTAR_BARE \
  __attribute__((no_stack_protector, no_sanitize("address"), no_sanitize("undefined")))

namespace instar::vmm {
namespace {

[[gnu::always_inline]] inline long Syscall(long number, long a, long b = 0, long c = 0,
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

// Waits until the host wants vCPU `index`, then never returns from the guest.
[[noreturn]] INSTAR_BARE void EnterGuest(std::uint64_t entry, std::uint64_t stack,
                                         std::uint64_t vcpu, std::uint64_t boot) {
  auto* state =
      reinterpret_cast<std::uint32_t*>(vcpu + kMailboxOffset + offsetof(instar_mailbox, state));
  while (__atomic_load_n(state, __ATOMIC_ACQUIRE) != INSTAR_MAILBOX_START) {
    Syscall(SYS_futex, reinterpret_cast<long>(state), FUTEX_WAIT, INSTAR_MAILBOX_IDLE, 0);
  }
  if (Syscall(SYS_arch_prctl, ARCH_SET_FS, static_cast<long>(vcpu)) != 0) {
    Syscall(SYS_exit_group, kChildSetupFailed);
  }
  asm volatile("mov %%rcx, %%rsp\n\tjmp *%%rax" : : "c"(stack), "a"(entry), "D"(boot) : "memory");
  __builtin_unreachable();
}

void SetFaultStack() {
  constexpr std::size_t kBytes = 16384;
  void* stack = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack_t alternate{};
  alternate.ss_sp = stack;
  alternate.ss_size = kBytes;
  if (stack == MAP_FAILED || sigaltstack(&alternate, nullptr) != 0) _exit(kChildSetupFailed);
}

struct WorkerStart {
  const GuestLayout* layout;
  unsigned index;
  std::uint32_t* ready;
};

void* WorkerThread(void* argument) {
  const WorkerStart start = *static_cast<WorkerStart*>(argument);
  SetFaultStack();
  __atomic_add_fetch(start.ready, 1, __ATOMIC_RELEASE);
  syscall(SYS_futex, start.ready, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  EnterGuest(INSTAR_IMAGE_BASE + INSTAR_WORKER_ENTRY_OFFSET, start.layout->stack_top(start.index),
             start.layout->vcpu(start.index), 0);
}

void Require(bool ok) {
  if (!ok) _exit(kChildSetupFailed);
}

void ProtectMemory(const GuestLayout& layout) {
  const auto page = [](std::uint64_t address) { return reinterpret_cast<void*>(address); };
  // The fault handler's page. The guest could write it too; it holds nothing but words for a
  // message.
  Require(mprotect(page(INSTAR_GUEST_BASE), kSmallPage, PROT_READ | PROT_WRITE) == 0);
  for (const GuestRegion& region : layout.Regions()) {
    const int rights =
        PROT_READ | (region.writable ? PROT_WRITE : 0) | (region.executable ? PROT_EXEC : 0);
    Require(mprotect(page(region.address), region.bytes, rights) == 0);
  }
  Require(mprotect(page(layout.fine_end), layout.end - layout.fine_end, PROT_READ | PROT_WRITE) ==
          0);
}

void DropPrivileges() {
  Require(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
  Require(syscall(SYS_close_range, 0u, ~0u, 0u) == 0);
  const rlimit none = {0, 0};
  Require(setrlimit(RLIMIT_CORE, &none) == 0);
  Require(setrlimit(RLIMIT_NOFILE, &none) == 0);
  Require(setrlimit(RLIMIT_FSIZE, &none) == 0);
  Require(prctl(PR_SET_DUMPABLE, 0) == 0);
  Require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  __user_cap_data_struct data[2] = {};
  Require(syscall(SYS_capset, &header, data) == 0);
}

void CatchFaults() {
  struct sigaction action{};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) sigaction(signal, &action, nullptr);
  // The host's signals are not this process's business.
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) ::signal(signal, SIG_IGN);
}

// Five system calls, on all threads; anything else kills the process. arch_prctl sets the FS base
// once per thread.
void Seal() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter = {.len = sizeof program / sizeof program[0], .filter = program};
  Require(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0);
}

}  // namespace

void RunGuestChild(const GuestLayout& layout) {
  ProtectMemory(layout);
  DropPrivileges();  // before there are threads: capabilities are a thread's own
  CatchFaults();
  SetFaultStack();
  static std::uint32_t ready = 0;
  static WorkerStart starts[INSTAR_MAX_WORKERS];
  pthread_attr_t attributes;
  Require(pthread_attr_init(&attributes) == 0);
  Require(pthread_attr_setstacksize(&attributes, 64 << 10) == 0);
  for (unsigned i = 1; i < layout.workers; ++i) {
    starts[i] = {.layout = &layout, .index = i, .ready = &ready};
    pthread_t thread;
    Require(pthread_create(&thread, &attributes, WorkerThread, &starts[i]) == 0);
  }
  for (std::uint32_t now; (now = __atomic_load_n(&ready, __ATOMIC_ACQUIRE)) + 1 < layout.workers;) {
    syscall(SYS_futex, &ready, FUTEX_WAIT, now, nullptr, nullptr, 0);
  }
  Seal();
  EnterGuest(layout.image.entry, layout.stack_top(0), layout.vcpu(0), layout.boot);
}

}  // namespace instar::vmm
