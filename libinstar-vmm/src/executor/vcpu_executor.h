// What the KVM and the process executor share: one host thread a vCPU that serves its rings, the
// handshake of parallel(), the watchdog, and how a run ends. They differ only in how a vCPU is made
// to run and how it rings.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_VCPU_EXECUTOR_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_VCPU_EXECUTOR_H_

#include <signal.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "executor/executor.h"
#include "executor/guest_layout.h"
#include "executor/host_thread.h"
#include "executor/run_clock.h"
#include "executor/run_stall_clock.h"
#include "executor/stall_clock.h"

namespace instar::vmm {

class RequestTally;

class VcpuExecutor : public Executor {
 public:
  explicit VcpuExecutor(const GuestImage& image) : image_(image) {}
  ~VcpuExecutor() override;

  absl::Status StartThreads() override;
  Outcome Run(CallHandler& handler) override;

 protected:
  static constexpr int kKickSignal = SIGUSR2;
  enum class RunEnd {
    kRang,         // the mailbox holds a request
    kDied,         // the vCPU can run no further; *detail says why
    kInterrupted,  // kicked
  };
  // Answers the last request of vCPU `index`, if it waits for that, and lets it run until it rings,
  // dies or is kicked.
  virtual RunEnd RunVcpu(unsigned index, std::string* detail) = 0;
  // Makes RunVcpu of `index` return, now or as soon as it is called.
  virtual void Kick(unsigned index) = 0;
  // Interrupts the system call that the thread of vCPU `index` waits in, if any. The signal for
  // that must have a handler.
  void InterruptThread(unsigned index);
  // Gives the signal a handler that does nothing. `restarts`: calls that it interrupts go on, but
  // for those that never do.
  static void HandleKickSignal(bool restarts);
  // Processor time that the thread of vCPU `index` has taken, guest code included. Nothing where
  // guest code runs elsewhere, and before the vCPU ran.
  virtual std::optional<std::chrono::nanoseconds> ProcessorTime(unsigned index) {
    (void)index;
    return std::nullopt;
  }
  // From now on RunVcpu(0) returns kInterrupted, in the calling thread, once in a `period`, mostly,
  // while the vCPU runs. False if that cannot be had.
  virtual bool StartTicking(std::chrono::milliseconds period) = 0;
  virtual void StopTicking() {}
  // Called by who watches, some twenty times a second. Not empty if the guest is found dead: why.
  virtual std::string CheckAlive() { return {}; }

  // Lays out and fills guest memory that MapMemory provides: with a smaller heap where the system
  // does not give the address space for the one that was asked for.
  absl::Status PrepareMemory(const ExecutorOptions& options, instar_doorbell doorbell);
  // kResourceExhausted where there is no room.
  virtual absl::StatusOr<std::span<std::byte>> MapMemory(std::uint64_t bytes) = 0;

  [[nodiscard]] instar_mailbox* mailbox(unsigned index) {
    return reinterpret_cast<instar_mailbox*>(
        memory_.data() + (layout_.vcpu(index) + kMailboxOffset - INSTAR_GUEST_BASE));
  }
  [[nodiscard]] const GuestLayout& layout() const { return layout_; }
  [[nodiscard]] std::span<std::byte> memory() const { return memory_; }
  [[nodiscard]] bool ended() const { return ended_.load(std::memory_order_acquire); }

  // Must be called first thing by destructors of derived classes: threads call their virtual
  // functions.
  void StopThreads();

 private:
  struct Worker {
    HostThread thread;
    bool running = false;             // under mutex_
    std::uint64_t rings_seen = 0;     // rings_ when its last request was answered
    std::atomic<pid_t> thread_id{0};  // once it runs
    std::mutex clock_mutex;
    StallClock clock;  // under clock_mutex
  };

  absl::Status MapGuest(const LoadedImage& image);
  // The guest goes on with the first `count` vCPUs.
  void LimitWorkers(unsigned count);
  void ServeWorker(unsigned index);
  // Serves rings of vCPU `index` until it ends the run or, for workers, says it is done.
  void Serve(unsigned index);
  void ServeAll(unsigned index);
  void ServeRings(unsigned index, RequestTally* tally);
  void End(Outcome outcome);
  void EndByFailure(const CallFrame& frame);
  CallResult StartParallel(const CallFrame& frame);
  CallResult JoinParallel();
  // Hands on the progress that vCPU `index` left in its mailbox `box`, if any, and takes it out.
  void CarryOutPosted(unsigned index, instar_mailbox& box);
  // Counts a ring, and lets those who yielded see it.
  void NoteRing();
  CallResult Yield(Worker& worker);
  // The vCPU turns to something else.
  void Turn(unsigned index, StallClock::Doing next);
  void Watch();
  void Look(std::unique_lock<std::mutex>& lock);
  void LookAgain();
  // Looks at all vCPUs: for how long the one with the least progress, or the run as a whole, made
  // none.
  std::chrono::nanoseconds Stalled(std::chrono::nanoseconds now);

  GuestImage image_;
  GuestLayout layout_;
  std::span<std::byte> memory_;
  GuestMemory view_;
  ExecutorOptions options_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::mutex yield_mutex_;
  std::condition_variable rang_;
  std::atomic<std::uint64_t> rings_{0};  // requests of all vCPUs but yields
  std::atomic<unsigned> yielding_{0};
  HostThread watchdog_;
  bool ticking_ = false;  // instead of the watchdog
  RunClock clock_;
  std::chrono::steady_clock::time_point looked_at_;
  RunStallClock run_stall_;
  CallHandler* handler_ = nullptr;  // set while Run runs; under mutex_
  bool stopping_ = false;           // under mutex_
  bool kicking_ = false;            // the watchdog has begun to; under mutex_
  std::atomic<bool> ended_{false};
  Outcome outcome_;  // under mutex_ until ended_
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_VCPU_EXECUTOR_H_
