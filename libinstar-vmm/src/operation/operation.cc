#include "operation/operation.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/created_targets.h"
#include "executor/executor.h"
#include "formats/base/error.h"
#include "instar/abi/call_table.h"
#include "jail/jail.h"
#include "jail/opener.h"
#include "operation/error_text.h"
#include "operation/requirements.h"
#include "timing/mark.h"

namespace instar::vmm {
namespace {

absl::StatusOr<std::unique_ptr<Executor>> MakeExecutor(Isolation isolation,
                                                       std::string_view image_name) {
  if (isolation == Isolation::kInline) {
    auto executor = inline_executor_factory()(image_name);
    if (executor == nullptr) {
      return absl::InternalError(absl::StrCat("no inline verb '", std::string(image_name), "'"));
    }
    return executor;
  }
  const GuestImage image = FindGuestImage(image_name);
  if (image.elf.empty()) {
    return absl::InternalError(absl::StrCat("no guest image '", std::string(image_name), "'"));
  }
  return isolation == Isolation::kKvm ? MakeKvmExecutor(image) : MakeProcessExecutor(image);
}

unsigned WorkerCount(const SandboxOptions& sandbox, const OperationOptions& options) {
  unsigned workers = options.workers != 0 ? options.workers : sandbox.workers;
  if (workers == 0) workers = std::max(1u, std::thread::hardware_concurrency());
  return std::min<unsigned>({workers, options.max_workers, INSTAR_MAX_WORKERS});
}

// The jailed process removes no file itself, and opens none but where Landlock confines that and
// either the verb is done before a process has been worth its start (`alone`) or the system has
// none.
absl::Status StartOpenerIfNeeded(JailNeeds& needs, bool alone) {
  const bool removes = !needs.unlink_directories.empty();
  const bool opens = !needs.read_directories.empty();
  if (!removes && !opens) return absl::OkStatus();
  const bool can_do_without = !removes && LandlockVersion() > 0;
  if (can_do_without && alone) return absl::OkStatus();
  absl::Status started = StartOpener({.read_directories = needs.walked_directories,
                                      .unlink_directories = needs.unlink_directories,
                                      .remove = CreatedTargets::RemoveNumber});
  if (can_do_without && absl::IsResourceExhausted(started)) return absl::OkStatus();
  needs.opener_sockets = OpenerSockets();
  needs.opener_pidfd = OpenerProcess();
  if (needs.opener_pidfd >= 0) needs.keep_fds.push_back(needs.opener_pidfd);
  return started;
}

// Private memory that a run with `workers` threads may come to need: their stacks and buffers (two
// of 2 MiB for copies, and lists of requests), a report and what is shown of it. Guest memory is
// there already. All of it is bounded elsewhere; this holds should such a bound fail.
std::uint64_t MostNewData(unsigned workers) {
  constexpr std::uint64_t kHostBytes = std::uint64_t{128} << 20;
  constexpr std::uint64_t kWorkerBytes = std::uint64_t{16} << 20;
  constexpr std::uint64_t kUsualStackBytes = std::uint64_t{8} << 20;
  constexpr unsigned kFurtherThreads = 4;  // such as the watchdog
  rlimit stack{};
  const bool known = getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur != RLIM_INFINITY;
  const std::uint64_t stack_bytes =
      known ? std::max<std::uint64_t>(stack.rlim_cur, kUsualStackBytes) : kUsualStackBytes;
  return kHostBytes + workers * kWorkerBytes + (workers + kFurtherThreads) * stack_bytes;
}

absl::Status Judge(const Broker& broker, const OperationOptions& options, const Outcome& outcome) {
  const std::string verb(options.verb);
  switch (outcome.kind) {
    case Outcome::Kind::kFinished:
      return absl::OkStatus();
    case Outcome::Kind::kFailed:
      return FailureStatus(broker, outcome);
    case Outcome::Kind::kFault:
      return absl::AbortedError(
          absl::StrCat(FirstDeviceName(broker), ": ", verb, ": guest ", outcome.detail,
                       "; the image was not trusted and nothing else is affected"));
    case Outcome::Kind::kStalled:
      return absl::AbortedError(absl::StrCat(FirstDeviceName(broker), ": ", verb,
                                             ": guest ended by the watchdog: ", outcome.detail));
    case Outcome::Kind::kTimedOut:
      return absl::DeadlineExceededError(absl::StrCat(FirstDeviceName(broker), ": ", verb,
                                                      ": ended by the watchdog: ", outcome.detail));
    case Outcome::Kind::kViolation:
      return absl::AbortedError(
          absl::StrCat(FirstDeviceName(broker), ": ", verb, ": guest ended: ", outcome.detail));
    case Outcome::Kind::kCancelled:
      return absl::CancelledError(absl::StrCat(verb, ": cancelled"));
    case Outcome::Kind::kHostError:
      return absl::InternalError(absl::StrCat(verb, ": ", outcome.detail));
  }
  return absl::InternalError("unknown outcome");
}

}  // namespace

absl::StatusOr<Isolation> ResolveIsolation(Isolation wanted) {
  switch (wanted) {
    case Isolation::kAuto: {
      // Whether it works shows when the machine is made: a trial would cost as much again.
      return access("/dev/kvm", R_OK | W_OK) == 0 ? Isolation::kKvm : Isolation::kProcess;
    }
    case Isolation::kKvm:
    case Isolation::kProcess:
      return wanted;
    case Isolation::kInline:
      if (inline_executor_factory() == nullptr) {
        return absl::UnavailableError(
            "this program has no inline executor: it cannot run without isolation");
      }
      return wanted;
  }
  return absl::InternalError("unknown isolation");
}

absl::StatusOr<Isolation> RunOperation(Broker& broker, const SandboxOptions& sandbox,
                                       const OperationOptions& options) {
  auto isolation = ResolveIsolation(sandbox.isolation);
  if (!isolation.ok()) return isolation.status();
  Timing* const timing = sandbox.timing;
  Mark(timing, TimingPhase::kFiles);
  broker.set_notices(sandbox.notices);
  const unsigned workers = WorkerCount(sandbox, options);
  const bool brief = options.guest.pace == Pace::kShort;
  const std::vector<instar_device_info> devices = broker.device_infos();
  const std::vector<GuestImage> parts = FindParts(options.parts);
  const ExecutorOptions executor_options = {
      .heap_bytes = std::min(sandbox.guest_memory_bytes, options.guest.max_heap_bytes),
      .workers = workers,
      .stall_timeout = sandbox.stall_timeout,
      .time_limit = sandbox.time_limit,
      .deadline = sandbox.deadline,
      .request = options.request,
      .devices = devices,
      .parts = parts,
      .watch_itself = brief && sandbox.jail != Jail::kNone,
      .one_processor = options.guest.pace == Pace::kTakesTurns && sandbox.jail != Jail::kNone,
      .timing = sandbox.timing};
  JailNeeds needs = broker.jail_needs();
  const bool jailed = sandbox.jail != Jail::kNone;
  // Before there is guest memory, which a fork would share.
  if (jailed) {
    const bool alone = brief || options.seldom_opens;
    if (absl::Status status = StartOpenerIfNeeded(needs, alone); !status.ok()) return status;
  }
  auto executor = MakeExecutor(*isolation, options.guest.name);
  if (!executor.ok()) return executor.status();
  absl::Status prepared = (*executor)->Prepare(executor_options);
  if (!prepared.ok() && *isolation == Isolation::kKvm && sandbox.isolation == Isolation::kAuto) {
    // There is a /dev/kvm, but it makes no virtual machines.
    isolation = Isolation::kProcess;
    executor = MakeExecutor(*isolation, options.guest.name);
    if (!executor.ok()) return executor.status();
    prepared = (*executor)->Prepare(executor_options);
  }
  if (!prepared.ok()) {
    if (!absl::IsUnavailable(prepared) || *isolation != Isolation::kKvm) return prepared;
    return absl::UnavailableError(
        absl::StrCat("KVM isolation is not available: ", prepared.message()));
  }

  if (absl::Status status = CheckRequirements(sandbox, *isolation); !status.ok()) return status;
  needs.isolation = *isolation;
  needs.max_new_data_bytes = MostNewData(workers);
  if (jailed) {
    (*executor)->AddJailNeeds(needs);
    if (absl::Status status = EnterJail(needs, timing); !status.ok()) return status;
  }
  if (absl::Status status = (*executor)->StartThreads(); !status.ok()) return status;
  Mark(timing, TimingPhase::kThreads);
  if (jailed) {
    if (absl::Status status = SealJail(needs); !status.ok()) return status;
    Mark(timing, TimingPhase::kSeccomp);
  }
  const Outcome outcome = (*executor)->Run(broker);
  Mark(timing, TimingPhase::kGuest);
  // A jailed process ends soon after this; taking the virtual machine down by hand would only cost
  // time. But it shows how much the end of the process takes.
  if (timing != nullptr) {
    executor->reset();
    Mark(timing, TimingPhase::kTeardown);
  } else if (jailed) {
    [[maybe_unused]] const Executor* const left = executor->release();
  }
  if (absl::Status status = Judge(broker, options, outcome); !status.ok()) return status;
  if (absl::Status status = broker.CheckSources(); !status.ok()) return status;
  return isolation;
}

}  // namespace instar::vmm
