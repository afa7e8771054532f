#include "executor/guest_child.h"

#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "executor/bare_code.h"
#include "jail/call_filter.h"

namespace instar::vmm {
namespace {

void Require(bool ok) {
  if (!ok) _exit(kChildSetupFailed);
}

void MoveMemory(const GuestLayout& layout, void* memory) {
  void* const at = reinterpret_cast<void*>(INSTAR_GUEST_BASE);
  const std::size_t bytes = layout.total_bytes();
  Require(mremap(memory, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
}

void ProtectMemory(const GuestLayout& layout) {
  const auto page = [](std::uint64_t address) { return reinterpret_cast<void*>(address); };
  Require(mprotect(page(INSTAR_GUEST_BASE), layout.total_bytes(), PROT_NONE) == 0);
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

void DropPrivileges(pid_t parent) {
  Require(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
  // It may have ended before, which sends no signal.
  Require(getppid() == parent);
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
  action.sa_sigaction = BareFaultHandler();
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) sigaction(signal, &action, nullptr);
  // The host's signals are not this process's business, and its handlers must not run here.
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) ::signal(signal, SIG_IGN);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    struct sigaction inherited{};
    if (sigaction(signal, nullptr, &inherited) != 0) continue;
    const bool own =
        (inherited.sa_flags & SA_ONSTACK) != 0 && inherited.sa_sigaction == BareFaultHandler();
    if (inherited.sa_handler != SIG_DFL && !own) ::signal(signal, SIG_IGN);
  }
}

// Of four system calls what is needed, on all threads; anything else kills the process. arch_prctl
// sets the FS base once per thread.
sock_fprog WriteFilter(Refuge& refuge) {
  CallFilter calls;
  constexpr std::uint64_t kInt = 0xFFFFFFFF;  // the upper half of the register means nothing
  calls.Allow(SYS_futex, {{.index = 1, .mask = kInt, .value = FUTEX_WAIT}});
  calls.Allow(SYS_futex, {{.index = 1, .mask = kInt, .value = FUTEX_WAKE}});
  calls.Allow(SYS_arch_prctl, {{.index = 0, .mask = kInt, .value = ARCH_SET_FS}});
  calls.Allow(SYS_exit_group);
  calls.Allow(SYS_exit);
  const std::vector<sock_filter> program = calls.Program();
  Require(program.size() <= refuge.filter.size());
  std::copy(program.begin(), program.end(), refuge.filter.begin());
  return {.len = static_cast<unsigned short>(program.size()), .filter = refuge.filter.data()};
}

// Everything but the refuge and the guest. No list of what is mapped is needed, so it works where
// there is no /proc.
void ListWhatGoes(const GuestLayout& layout, VcpuStart& start) {
  constexpr std::uint64_t kUserEnd = 0x7ffffffff000;
  start.ranges[0] = {.start = 0, .end = Refuge::kBase};
  start.ranges[1] = {.start = layout.end, .end = kUserEnd};
  // The kernel's own pages, which newer kernels do not let go: code that reads clocks, and its data
  // on both sides of it.
  constexpr std::uint64_t kAround = 64 * kSmallPage;
  const std::uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
  if (vdso > kAround) start.may_stay = {.start = vdso - kAround, .end = vdso + kAround};
}

// The kernel must not write to what is about to go.
void LeaveRseq() {
  char* const area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  constexpr unsigned kRegisteredBytes = 32;
  syscall(SYS_rseq, area, kRegisteredBytes, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

// From here on nothing of the C library may run on this thread.
[[noreturn]] void LeaveForRefuge(Refuge& refuge, unsigned index) {
  stack_t alternate{};
  alternate.ss_sp = refuge.fault_stacks[index].data();
  alternate.ss_size = Refuge::kFaultStackBytes;
  Require(sigaltstack(&alternate, nullptr) == 0);
  LeaveRseq();
  EnterRefuge(refuge.starts[index]);
}

struct WorkerStart {
  Refuge* refuge;
  unsigned index;
};

void* WorkerThread(void* argument) {
  const WorkerStart start = *static_cast<WorkerStart*>(argument);
  LeaveForRefuge(*start.refuge, start.index);
}

}  // namespace

void RunGuestChild(const GuestLayout& layout, void* memory, pid_t parent) {
  MoveMemory(layout, memory);
  ProtectMemory(layout);
  Refuge* const refuge = MakeRefuge();
  Require(refuge != nullptr);
  for (unsigned i = 0; i < layout.workers; ++i) {
    refuge->starts[i] = {
        .entry = i == 0 ? layout.image.entry : INSTAR_IMAGE_BASE + INSTAR_WORKER_ENTRY_OFFSET,
        .stack = layout.stack_top(i),
        .vcpu = layout.vcpu(i),
        .boot = i == 0 ? layout.boot : 0,
        .arrived = &refuge->arrived,
        .others = 0,
        .first = i == 0,
        .ranges = {},
        .may_stay = {},
        .filter = {}};
  }
  refuge->starts[0].filter = WriteFilter(*refuge);
  ListWhatGoes(layout, refuge->starts[0]);
  DropPrivileges(parent);  // before there are threads: capabilities are a thread's own
  CatchFaults();
  static WorkerStart starts[INSTAR_MAX_WORKERS];
  pthread_attr_t attributes;
  Require(pthread_attr_init(&attributes) == 0);
  Require(pthread_attr_setstacksize(&attributes, 64 << 10) == 0);
  unsigned running = 1;
  for (; running < layout.workers; ++running) {
    starts[running] = {.refuge = refuge, .index = running};
    pthread_t thread;
    if (pthread_create(&thread, &attributes, WorkerThread, &starts[running]) != 0) break;
  }
  refuge->starts[0].others = running - 1;
  LowerMaxWorkers(*reinterpret_cast<instar_boot*>(layout.boot), running);
  LeaveForRefuge(*refuge, 0);
}

}  // namespace instar::vmm
