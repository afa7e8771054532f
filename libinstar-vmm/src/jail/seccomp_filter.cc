#include "jail/seccomp_filter.h"

#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>

namespace instar::vmm {
namespace {

// Allowed with any arguments. Files are reached through open descriptors only, so what can be done
// to them was decided when they were opened.
constexpr std::array kPlain = {
    // data
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(preadv2),
    SCMP_SYS(pwritev),
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(lseek),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fsync),
    SCMP_SYS(fstat),
    SCMP_SYS(fstatfs),
    SCMP_SYS(close),
    // memory
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    // threads, signals and time
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(getrandom),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

// ioctl requests: what C libraries ask of a terminal before writing to it, and block sharing.
constexpr std::array<std::uint64_t, 3> kIoctls = {0x5401 /* TCGETS */, 0x5413 /* TIOCGWINSZ */,
                                                  FICLONERANGE};
// To run a vCPU and to say where it faulted.
constexpr std::array<std::uint64_t, 4> kKvmIoctls = {KVM_RUN, KVM_GET_REGS, KVM_GET_SREGS,
                                                     KVM_GET_VCPU_EVENTS};

class FilterBuilder {
 public:
  FilterBuilder() : context_(seccomp_init(SCMP_ACT_KILL_PROCESS), seccomp_release) {
    if (!context_) {
      error_ = -ENOMEM;
      return;
    }
    Set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    Set(SCMP_FLTATR_CTL_NNP, 1);
    Set(SCMP_FLTATR_CTL_TSYNC, 1);
    Set(SCMP_FLTATR_CTL_OPTIMIZE, 2);
  }

  void Allow(int call, std::initializer_list<scmp_arg_cmp> arguments = {}) {
    if (error_ != 0) return;
    error_ = seccomp_rule_add_array(context_.get(), SCMP_ACT_ALLOW, call,
                                    static_cast<unsigned>(arguments.size()), arguments.begin());
  }

  absl::Status Load() {
    if (error_ == 0) error_ = seccomp_load(context_.get());
    if (error_ == 0) return absl::OkStatus();
    return absl::InternalError(absl::StrFormat("jail: could not install the system call filter: %s",
                                               std::strerror(-error_)));
  }

 private:
  void Set(scmp_filter_attr attribute, std::uint32_t value) {
    if (error_ == 0) error_ = seccomp_attr_set(context_.get(), attribute, value);
  }

  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int error_ = 0;
};

scmp_arg_cmp Equals(unsigned argument, std::uint64_t value) {
  return {.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}
// Descriptors, request numbers and process ids: the upper half of the register means nothing.
scmp_arg_cmp EqualsInt(unsigned argument, std::uint32_t value) {
  return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = 0xFFFFFFFF, .datum_b = value};
}
scmp_arg_cmp Lacks(unsigned argument, std::uint64_t bits) {
  return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = bits, .datum_b = 0};
}
scmp_arg_cmp Has(unsigned argument, std::uint64_t bits) {
  return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = bits, .datum_b = bits};
}

}  // namespace

absl::Status InstallSeccompFilter(const JailNeeds& needs) {
  FilterBuilder filter;
  for (const int call : kPlain) filter.Allow(call);

  // No memory ever becomes executable.
  filter.Allow(SCMP_SYS(mmap), {Lacks(2, PROT_EXEC)});
  filter.Allow(SCMP_SYS(mprotect), {Lacks(2, PROT_EXEC)});
  // fstat() of this C library is newfstatat(fd, "", AT_EMPTY_PATH).
  filter.Allow(SCMP_SYS(newfstatat), {Has(3, AT_EMPTY_PATH)});
  // pthread_kill() within this process.
  filter.Allow(SCMP_SYS(tgkill), {EqualsInt(0, static_cast<std::uint32_t>(getpid()))});
  for (const int command : {F_OFD_SETLK, F_OFD_GETLK, F_GETFL, F_GETFD}) {
    filter.Allow(SCMP_SYS(fcntl), {EqualsInt(1, static_cast<std::uint32_t>(command))});
  }
  for (const std::uint64_t request : kIoctls) filter.Allow(SCMP_SYS(ioctl), {Equals(1, request)});

  if (needs.isolation == Isolation::kKvm) {
    for (const std::uint64_t request : kKvmIoctls) {
      filter.Allow(SCMP_SYS(ioctl), {Equals(1, request)});
    }
  }
  if (needs.isolation == Isolation::kProcess) {
    filter.Allow(SCMP_SYS(wait4));
    filter.Allow(SCMP_SYS(waitid));
    if (needs.child_pid > 0) {
      filter.Allow(SCMP_SYS(kill), {EqualsInt(0, static_cast<std::uint32_t>(needs.child_pid)),
                                    EqualsInt(1, SIGKILL)});
    }
  }
  if (needs.streams) {
    for (const int call : {SCMP_SYS(splice), SCMP_SYS(poll), SCMP_SYS(ppoll)}) filter.Allow(call);
  }
  if (!needs.read_directories.empty()) filter.Allow(SCMP_SYS(openat2));
  for (const int directory : needs.unlink_directories) {
    filter.Allow(SCMP_SYS(unlinkat),
                 {EqualsInt(0, static_cast<std::uint32_t>(directory)), EqualsInt(2, 0)});
    // To see that it is the file that was created.
    filter.Allow(SCMP_SYS(newfstatat), {EqualsInt(0, static_cast<std::uint32_t>(directory)),
                                        EqualsInt(3, AT_SYMLINK_NOFOLLOW)});
  }
  return filter.Load();
}

bool SeccompAvailable() {
  // EFAULT: the kernel knows filters and now wants one.
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr, 0, 0) != 0 && errno == EFAULT;
}

}  // namespace instar::vmm
