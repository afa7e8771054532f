// The process executor: the same guest image at the same addresses in a child process that has no
// open files, no capabilities, and a seccomp filter that leaves it futexes and exit. Guest memory
// is shared with the host; a doorbell is a futex on the mailbox. For machines without KVM.
#include <absl/strings/str_format.h>
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <utility>

#include "executor/address_space.h"
#include "executor/guest_child.h"
#include "executor/vcpu_executor.h"
#include "timing/mark.h"

namespace instar::vmm {
namespace {

// After so long the mailbox is looked at again, even if nobody woke the host; below a second.
constexpr std::chrono::milliseconds kPatience{100};

absl::Status Errno(const char* what) {
  return absl::UnavailableError(absl::StrFormat("%s: %s", what, std::strerror(errno)));
}

// Whether nothing is mapped there. A limit of address space does not matter: it is looked at last.
bool IsFree(std::uint64_t address, std::uint64_t bytes) {
  void* const at = reinterpret_cast<void*>(address);
  void* const probe =
      mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
           -1, 0);
  if (probe == MAP_FAILED) return errno == ENOMEM;
  munmap(probe, bytes);
  return probe == at;
}

// The host and the guest of one worker take turns: on one processor what one of them has written is
// in the other's cache, and none has to be woken. Failure costs only time.
void StayOnThisProcessor() {
  const int processor = sched_getcpu();
  if (processor < 0 || processor >= CPU_SETSIZE) return;
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(processor, &only);
  sched_setaffinity(0, sizeof only, &only);
}

class ProcessExecutor final : public VcpuExecutor {
 public:
  using VcpuExecutor::VcpuExecutor;
  ~ProcessExecutor() override {
    StopThreads();
    if (child_ >= 0) {
      EndChild();
      siginfo_t ended{};
      if (!reaped_)
        waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(child_), &ended, WEXITED);
      close(child_);
    }
    if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
  }

  [[nodiscard]] Isolation isolation() const override { return Isolation::kProcess; }
  absl::Status Prepare(const ExecutorOptions& options) override;
  void AddJailNeeds(JailNeeds& needs) const override {
    needs.child_pidfd = child_;
    needs.keep_fds.push_back(child_);
  }

 private:
  absl::StatusOr<std::span<std::byte>> MapMemory(std::uint64_t bytes) override;
  RunEnd RunVcpu(unsigned index, std::string* detail) override;
  void Kick(unsigned index) override;
  bool StartTicking(std::chrono::milliseconds period) override {
    tick_ = period;
    return true;
  }
  std::string CheckAlive() override;
  void EndChild() const { syscall(SYS_pidfd_send_signal, child_, SIGKILL, nullptr, 0); }
  std::string DescribeDeath(const siginfo_t& end);

  int child_ = -1;  // a pidfd: unlike its number it never comes to mean another process
  std::atomic<bool> reaped_{false};
  clockid_t processor_clock_ = 0;      // of the child with all its threads; 0: unknown
  std::chrono::milliseconds tick_{0};  // RunVcpu returns after so long; 0: when there is a reason
  bool left_running_ = false;          // it has: vCPU 0 waits for no answer
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
};

absl::StatusOr<std::span<std::byte>> ProcessExecutor::MapMemory(std::uint64_t bytes) {
  // No file stands behind it, whose length a limit could hold for. The child inherits the mapping
  // and moves it, so that neither process has it twice.
  void* mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return CouldNotMapGuest(bytes);
  mapping_ = mapping;
  mapping_bytes_ = bytes;
  return std::span<std::byte>(static_cast<std::byte*>(mapping), bytes);
}

absl::Status ProcessExecutor::Prepare(const ExecutorOptions& options) {
  if (absl::Status status = PrepareMemory(options, INSTAR_DOORBELL_FUTEX); !status.ok())
    return status;
  if (!IsFree(INSTAR_GUEST_BASE, layout().total_bytes())) {
    return absl::UnavailableError("something else is mapped where guest memory has to be");
  }
  if (options.one_processor) StayOnThisProcessor();
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) RunGuestChild(layout(), mapping_, parent);
  if (child < 0) return Errno("could not start the sandbox process");
  child_ = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  if (child_ < 0) {
    const absl::Status failure = Errno("could not hold on to the sandbox process");
    // It waits to be started and has not been waited for, so the number still is its own.
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return failure;
  }
  if (!options.watch_itself || options.workers > 1) HandleKickSignal(/*restarts=*/false);
  Mark(options.timing, TimingPhase::kSandbox);
  return absl::OkStatus();
}

VcpuExecutor::RunEnd ProcessExecutor::RunVcpu(unsigned index, std::string*) {
  instar_mailbox* box = mailbox(index);
  // Answer the last request, or start the vCPU, then sleep until it rings. The state is the guest's
  // to write: it only decides when the host looks, never what the host believes.
  const std::uint32_t state = __atomic_load_n(&box->state, __ATOMIC_ACQUIRE);
  const bool waits = index != 0 || !std::exchange(left_running_, false);
  if (waits && (state == INSTAR_MAILBOX_REQUEST || state == INSTAR_MAILBOX_IDLE)) {
    __atomic_store_n(&box->state,
                     state == INSTAR_MAILBOX_IDLE ? INSTAR_MAILBOX_START : INSTAR_MAILBOX_RESPONSE,
                     __ATOMIC_RELEASE);
    syscall(SYS_futex, &box->state, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  }
  using Clock = std::chrono::steady_clock;
  const bool ticks = tick_.count() != 0;
  const auto tick_end = Clock::now() + tick_;
  while (!ended()) {
    const std::uint32_t now = __atomic_load_n(&box->state, __ATOMIC_ACQUIRE);
    if (now == INSTAR_MAILBOX_REQUEST) return RunEnd::kRang;
    std::chrono::nanoseconds patience = kPatience;
    // By the clock: a guest can wake the host as often as it likes.
    if (ticks) patience = tick_end - Clock::now();
    if (patience.count() <= 0) {
      left_running_ = true;
      return RunEnd::kInterrupted;
    }
    const timespec most = {.tv_sec = 0, .tv_nsec = patience.count()};
    syscall(SYS_futex, &box->state, FUTEX_WAIT, now, &most, nullptr, 0);
  }
  return RunEnd::kInterrupted;
}

void ProcessExecutor::Kick(unsigned index) {
  if (child_ >= 0 && index == 0) EndChild();
  syscall(SYS_futex, &mailbox(index)->state, FUTEX_WAKE, 8, nullptr, nullptr, 0);
  // It may stand in a system call that a request of the guest asked for.
  if (tick_.count() == 0) InterruptThread(index);
}

std::string ProcessExecutor::CheckAlive() {
  siginfo_t end{};
  if (reaped_ ||
      waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(child_), &end, WEXITED | WNOHANG) !=
          0 ||
      end.si_pid == 0) {
    return {};
  }
  reaped_ = true;
  return DescribeDeath(end);
}

std::string ProcessExecutor::DescribeDeath(const siginfo_t& end) {
  const bool exited = end.si_code == CLD_EXITED;
  GuestFault fault{};
  std::memcpy(&fault, memory().data() + kGuestFaultOffset, sizeof fault);
  if (exited && fault.signal != 0) {
    return absl::StrFormat("%s at 0x%x (address 0x%x)",
                           fault.signal == SIGILL ? "illegal instruction" : "fault",
                           fault.instruction, fault.address);
  }
  if (!exited && end.si_status == SIGSYS) return "forbidden system call";
  if (!exited) return absl::StrFormat("ended by signal %d", end.si_status);
  if (end.si_status == kChildSetupFailed) {
    return "could not start: its process could not confine itself";
  }
  return "the sandbox process ended";
}

}  // namespace

std::unique_ptr<Executor> MakeProcessExecutor(const GuestImage& image) {
  return std::make_unique<ProcessExecutor>(image);
}

}  // namespace instar::vmm
