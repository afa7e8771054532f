#include "executor/guest_child.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
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

// Reads /proc/self/maps and calls visit(start, end, is_system) for each mapping, in order.
// `is_system`: the kernel's own pages (vdso and its data), which newer kernels do not let go.
template <typename Visit>
void VisitMappings(Visit visit) {
  const int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  Require(file >= 0);
  char buffer[4096];
  std::uint64_t numbers[2] = {0, 0};  // start, end
  unsigned field = 0;                 // 0, 1: the numbers; 2: what follows them
  bool system = false;
  for (ssize_t count; (count = read(file, buffer, sizeof buffer)) != 0;) {
    Require(count > 0);
    for (ssize_t i = 0; i < count; ++i) {
      const char c = buffer[i];
      if (c == '\n') {
        visit(numbers[0], numbers[1], system);
        numbers[0] = numbers[1] = 0;
        field = 0;
        system = false;
      } else if (field == 2) {
        // Of all names in brackets only theirs start with a v.
        if (c == '[') field = 3;
      } else if (field == 3) {
        system = c == 'v';
        field = 4;
      } else if (c == '-' || c == ' ') {
        ++field;
      } else if (field < 2) {
        numbers[field] =
            numbers[field] << 4 | static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
      }
    }
  }
}

// Everything but the refuge, the guest, and what the kernel holds on to.
void ListWhatGoes(const GuestLayout& layout, BareStart& start) {
  std::uint64_t from = 0;
  const auto keep = [&](std::uint64_t begin, std::uint64_t end) {
    if (begin > from) {
      Require(start.range_count < kMaxUnmappedRanges);
      start.ranges[start.range_count++] = {.start = from, .bytes = begin - from};
    }
    if (end > from) from = end;
  };
  constexpr std::uint64_t kUserEnd = 0x7ffffffff000;
  bool past_guest = false;
  const auto keep_guest = [&] {
    keep(Refuge::kBase, layout.end);
    past_guest = true;
  };
  VisitMappings([&](std::uint64_t begin, std::uint64_t end, bool system) {
    if (begin >= INSTAR_GUEST_BASE && !past_guest) keep_guest();
    if (system && end <= kUserEnd) keep(begin, end);
  });
  if (!past_guest) keep_guest();
  keep(kUserEnd, kUserEnd);
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

void RunGuestChild(const GuestLayout& layout) {
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
        .others = layout.workers - 1,
        .first = i == 0,
        .range_count = 0,
        .ranges = {},
        .filter = {}};
  }
  refuge->starts[0].filter = WriteFilter(*refuge);
  ListWhatGoes(layout, refuge->starts[0]);
  DropPrivileges();  // before there are threads: capabilities are a thread's own
  CatchFaults();
  static WorkerStart starts[INSTAR_MAX_WORKERS];
  pthread_attr_t attributes;
  Require(pthread_attr_init(&attributes) == 0);
  Require(pthread_attr_setstacksize(&attributes, 64 << 10) == 0);
  for (unsigned i = 1; i < layout.workers; ++i) {
    starts[i] = {.refuge = refuge, .index = i};
    pthread_t thread;
    Require(pthread_create(&thread, &attributes, WorkerThread, &starts[i]) == 0);
  }
  LeaveForRefuge(*refuge, 0);
}

}  // namespace instar::vmm
