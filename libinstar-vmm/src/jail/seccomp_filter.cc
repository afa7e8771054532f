#include "jail/seccomp_filter.h"

#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <vector>

#include "jail/call_filter.h"

namespace instar::vmm {
namespace {

// Allowed with any arguments. Files are reached through open descriptors only, so what can be done
// to them was decided when they were opened.
constexpr std::array kPlain = {
    // data
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_preadv2,
    SYS_pwritev,
    SYS_pwritev2,
    SYS_read,
    SYS_write,
    SYS_writev,
    SYS_lseek,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fdatasync,
    SYS_fsync,
    SYS_fstat,
    SYS_fstatfs,
    SYS_close,
    // memory
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    // threads, signals and time
    SYS_futex,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_rt_sigreturn,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_sigaltstack,
    SYS_getpid,
    SYS_gettid,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_restart_syscall,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_getrandom,
    SYS_exit,
    SYS_exit_group,
};

// ioctl requests: what C libraries ask of a terminal before writing to it, and block sharing.
constexpr std::array<std::uint64_t, 3> kIoctls = {0x5401 /* TCGETS */, 0x5413 /* TIOCGWINSZ */,
                                                  FICLONERANGE};
// To run a vCPU and to say where it faulted.
constexpr std::array<std::uint64_t, 4> kKvmIoctls = {KVM_RUN, KVM_GET_REGS, KVM_GET_SREGS,
                                                     KVM_GET_VCPU_EVENTS};

CallFilter::Condition Equals(unsigned argument, std::uint64_t value) {
  return {.index = argument, .mask = ~std::uint64_t{0}, .value = value};
}
// Descriptors, request numbers and process ids: the upper half of the register means nothing.
CallFilter::Condition EqualsInt(unsigned argument, std::uint32_t value) {
  return {.index = argument, .mask = 0xFFFFFFFF, .value = value};
}
CallFilter::Condition Lacks(unsigned argument, std::uint64_t bits) {
  return {.index = argument, .mask = bits, .value = 0};
}

absl::Status Install(std::vector<sock_filter> program) {
  const sock_fprog code = {.len = static_cast<unsigned short>(program.size()),
                           .filter = program.data()};
  errno = 0;
  const long result =
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
          ? -1
          : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &code);
  if (result == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrFormat("jail: could not install the system call filter: %s",
                      result > 0 ? "a thread has another one" : std::strerror(errno)));
}

}  // namespace

absl::Status InstallSeccompFilter(const JailNeeds& needs) {
  CallFilter filter;
  for (const long call : kPlain) filter.Allow(call);

  // No memory ever becomes executable.
  filter.Allow(SYS_mmap, {Lacks(2, PROT_EXEC)});
  filter.Allow(SYS_mprotect, {Lacks(2, PROT_EXEC)});
  // pthread_kill() within this process.
  filter.Allow(SYS_tgkill, {EqualsInt(0, static_cast<std::uint32_t>(getpid()))});
  for (const int command : {F_OFD_SETLK, F_OFD_GETLK, F_GETFL, F_GETFD}) {
    filter.Allow(SYS_fcntl, {EqualsInt(1, static_cast<std::uint32_t>(command))});
  }
  for (const std::uint64_t request : kIoctls) filter.Allow(SYS_ioctl, {Equals(1, request)});

  if (needs.isolation == Isolation::kKvm) {
    for (const std::uint64_t request : kKvmIoctls) {
      filter.Allow(SYS_ioctl, {Equals(1, request)});
    }
    filter.Allow(SYS_timer_delete);  // of a vCPU's thread that watched over itself
  }
  if (needs.isolation == Isolation::kProcess) {
    if (needs.child_pidfd >= 0) {
      const auto child = static_cast<std::uint32_t>(needs.child_pidfd);
      filter.Allow(SYS_waitid, {EqualsInt(0, P_PIDFD), EqualsInt(1, child)});
      filter.Allow(SYS_pidfd_send_signal,
                   {EqualsInt(0, child), EqualsInt(1, SIGKILL), Equals(2, 0)});
    }
  }
  if (needs.streams) {
    for (const long call : {SYS_splice, SYS_poll, SYS_ppoll}) filter.Allow(call);
  }
  if (needs.opener_pidfd >= 0) {
    filter.Allow(SYS_waitid, {EqualsInt(0, P_PIDFD),
                              EqualsInt(1, static_cast<std::uint32_t>(needs.opener_pidfd))});
  }
  // The opener does what takes a path. Descriptors can be received of it, and none sent.
  for (const int socket : needs.opener_sockets) {
    const auto number = static_cast<std::uint32_t>(socket);
    filter.Allow(SYS_sendto, {EqualsInt(0, number), Equals(4, 0)});
    filter.Allow(SYS_recvfrom, {EqualsInt(0, number)});
    filter.Allow(SYS_recvmsg, {EqualsInt(0, number)});
  }
  if (!needs.read_directories.empty()) filter.Allow(SYS_fgetxattr);  // what was opened has a list?
  if (needs.opener_sockets.empty() && !needs.read_directories.empty()) {
    filter.Allow(SYS_openat2);
    if (needs.link_path != nullptr) {
      // Of a link that is open already: the path is empty, and nothing else can stand there unless
      // memory that holds constants has been written to.
      filter.Allow(SYS_readlinkat, {Equals(1, reinterpret_cast<std::uint64_t>(needs.link_path))});
    }
  }
  return InstallFilter(filter);
}

absl::Status InstallFilter(const CallFilter& filter) { return Install(filter.Program()); }

bool Openat2Available() {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const long file = syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how));
  if (file < 0) return false;
  close(static_cast<int>(file));
  return true;
}

bool SeccompAvailable() {
  // EFAULT: the kernel knows filters and now wants one.
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr, 0, 0) != 0 && errno == EFAULT;
}

}  // namespace instar::vmm
