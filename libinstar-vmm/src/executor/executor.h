// Runs one guest image for one operation. Life: Prepare (needs privileges; before the jail),
// StartThreads (after Landlock, which threads inherit; before seccomp), Run (jailed).
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_EXECUTOR_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_EXECUTOR_H_

#include <absl/status/status.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "executor/call_handler.h"
#include "executor/guest_image.h"
#include "instar/abi/call_table.h"
#include "instar/vmm/sandbox.h"
#include "jail/jail.h"

namespace instar::vmm {

struct ExecutorOptions {
  std::uint64_t heap_bytes = 256ull << 20;          // address space; only touched pages cost memory
  unsigned workers = 1;                             // 1 to INSTAR_MAX_WORKERS
  std::chrono::milliseconds stall_timeout{30'000};  // real time without progress
  std::chrono::milliseconds time_limit{0};          // real time in all; 0: none
  // When that is over; by itself so long after StartThreads.
  std::chrono::steady_clock::time_point deadline;
  std::span<const std::byte> request;           // encoded; copied by Prepare
  std::span<const instar_device_info> devices;  // of the first devices; copied by Prepare
  std::span<const GuestImage> parts;  // mapped beside the image, in the order of their addresses
  // No thread watches over a single vCPU: its own is interrupted some twenty times a second, which
  // system calls of a caller that changes files could not bear. For a process of its own.
  bool watch_itself = false;
  // The process executor keeps the calling thread, and those it starts, on the processor it is on,
  // with the guest. For one worker that calls often, in a process of its own.
  bool one_processor = false;
  Timing* timing = nullptr;  // where Prepare and Run record, or null
};

// How a guest ended.
struct Outcome {
  enum class Kind {
    kFinished,   // it called finish
    kFailed,     // it called fail: error_* are set
    kFault,      // it did something no correct guest does; `detail` says what and where
    kStalled,    // the watchdog ended it: it made no progress
    kTimedOut,   // the watchdog ended it: its time was over
    kViolation,  // it sent a request that honest code cannot send
    kHostError,  // the executor itself failed
    kCancelled,  // the executor was taken down
  };
  Kind kind = Kind::kHostError;
  std::string detail;  // kFault, kStalled, kTimedOut, kViolation, kHostError: one line, no newline
  // kFailed, copied from the guest and not trusted:
  std::uint32_t error_code = 0;
  std::uint32_t error_device = 0xFFFFFFFF;
  std::int32_t error_errno = 0;
  std::string error_message;
  std::array<std::uint64_t, 3> error_numbers{};
};

class Executor {
 public:
  virtual ~Executor() = default;
  [[nodiscard]] virtual Isolation isolation() const = 0;
  virtual absl::Status Prepare(const ExecutorOptions& options) = 0;
  // Adds what the run needs inside the jail: descriptors it must not close, the process it may end.
  virtual void AddJailNeeds(JailNeeds& needs) const { (void)needs; }
  // By the thread that calls Run: it is the one that is interrupted if it watches itself.
  virtual absl::Status StartThreads() = 0;
  virtual Outcome Run(CallHandler& handler) = 0;
};

std::unique_ptr<Executor> MakeKvmExecutor(const GuestImage& image);
std::unique_ptr<Executor> MakeProcessExecutor(const GuestImage& image);

// The inline executor is a target of its own (it links the parsers): a program that wants it calls
// RegisterInlineExecutor() from that target, which sets this. Null otherwise.
using InlineExecutorFactory = std::unique_ptr<Executor> (*)(std::string_view image_name);
void SetInlineExecutorFactory(InlineExecutorFactory factory);
InlineExecutorFactory inline_executor_factory();

// Whether /dev/kvm can run guests here: OK, or why not.
absl::Status CheckKvm();

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_EXECUTOR_H_
