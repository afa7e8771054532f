#include "executor/vcpu_executor.h"

#include <absl/strings/str_format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "executor/address_space.h"
#include "formats/base/error.h"
#include "instar/abi/call_table.h"
#include "timing/mark.h"
#include "timing/request_tally.h"

namespace instar::vmm {
namespace {

constexpr auto kWatchdogTick = std::chrono::milliseconds(50);
static_assert(2 * kWatchdogTick <= RunClock::kMostBetweenTicks);
constexpr auto kLongestEnd = std::chrono::milliseconds(5);
constexpr auto kLongestYield = std::chrono::milliseconds(1);
// A guest with less is not worth starting.
constexpr std::uint64_t kLeastHeapBytes = 16ull << 20;

using Clock = std::chrono::steady_clock;

pid_t ThreadId() { return static_cast<pid_t>(syscall(SYS_gettid)); }

double Seconds(std::chrono::milliseconds time) { return time.count() / 1000.0; }

Outcome Ended(Outcome::Kind kind, std::string detail = {}) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.detail = std::move(detail);
  return outcome;
}

}  // namespace

VcpuExecutor::~VcpuExecutor() { StopThreads(); }

absl::Status VcpuExecutor::PrepareMemory(const ExecutorOptions& options, instar_doorbell doorbell) {
  if (options.workers < 1 || options.workers > INSTAR_MAX_WORKERS) {
    return absl::InternalError("number of vCPUs out of range");
  }
  options_ = options;
  auto image = ParseGuestImage(image_);
  if (!image.ok()) return image.status();
  for (const GuestImage& part : options.parts) {
    if (absl::Status status = AddPart(part, *image); !status.ok()) return status;
  }
  if (absl::Status status = MapGuest(*image); !status.ok()) return status;
  Mark(options.timing, TimingPhase::kMemory);
  FillGuest(layout_, {.devices = options.devices, .request = options.request, .doorbell = doorbell},
            memory_);
  view_ = ViewGuest(layout_, memory_);
  for (unsigned i = 0; i < options.workers; ++i) workers_.push_back(std::make_unique<Worker>());
  Mark(options.timing, TimingPhase::kImage);
  return absl::OkStatus();
}

absl::Status VcpuExecutor::MapGuest(const LoadedImage& image) {
  const AddressSpaceReserve reserve(options_.workers);
  for (std::uint64_t heap_bytes = options_.heap_bytes;; heap_bytes /= 2) {
    layout_ = PlanGuest(image, {.workers = options_.workers,
                                .device_count = options_.devices.size(),
                                .request_bytes = options_.request.size(),
                                .heap_bytes = heap_bytes});
    auto memory = MapMemory(layout_.total_bytes());
    if (memory.ok()) {
      memory_ = *memory;
      return absl::OkStatus();
    }
    if (!absl::IsResourceExhausted(memory.status()) || heap_bytes / 2 < kLeastHeapBytes) {
      return memory.status();
    }
  }
}

// The thread that watches comes first. Where the system starts no further ones, the guest has
// fewer vCPUs; where it starts none at all, the only vCPU's thread watches over itself.
absl::Status VcpuExecutor::StartThreads() {
  looked_at_ = Clock::now();
  if (options_.time_limit.count() > 0 && options_.deadline == Clock::time_point()) {
    options_.deadline = looked_at_ + options_.time_limit;
  }
  clock_.Start(looked_at_.time_since_epoch());
  const auto count = static_cast<unsigned>(workers_.size());
  ticking_ = options_.watch_itself && count == 1 && StartTicking(kWatchdogTick);
  unsigned running = 1;
  if (!ticking_ && watchdog_.Start([this] { Watch(); })) {
    while (running < count &&
           workers_[running]->thread.Start([this, running] { ServeWorker(running); })) {
      ++running;
    }
  } else if (!ticking_) {
    HandleKickSignal(/*restarts=*/true);
    ticking_ = StartTicking(kWatchdogTick);
    if (!ticking_) {
      return absl::ResourceExhaustedError(
          "no thread can be started to watch over the guest: the limit of processes is reached");
    }
  }
  if (running < count) LimitWorkers(running);
  return absl::OkStatus();
}

void VcpuExecutor::LimitWorkers(unsigned count) {
  const std::lock_guard lock(mutex_);
  workers_.resize(count);
  LowerMaxWorkers(
      *reinterpret_cast<instar_boot*>(memory_.data() + (layout_.boot - INSTAR_GUEST_BASE)), count);
}

void VcpuExecutor::StopThreads() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  if (!ended()) End(Ended(Outcome::Kind::kCancelled));
  changed_.notify_all();
  for (auto& worker : workers_) {
    if (worker->thread.joinable()) worker->thread.join();
  }
  if (watchdog_.joinable()) watchdog_.join();
}

Outcome VcpuExecutor::Run(CallHandler& handler) {
  {
    std::lock_guard lock(mutex_);
    handler_ = &handler;
  }
  Serve(0);
  if (ticking_) StopTicking();
  std::unique_lock lock(mutex_);
  // A worker may still be finishing a request; the handler must outlive that.
  changed_.wait(lock, [this] {
    return std::none_of(workers_.begin(), workers_.end(), [](const auto& w) { return w->running; });
  });
  handler_ = nullptr;
  // The watchdog kicks until it sees that; its signals must not interrupt what the caller does
  // next. If it has not begun it will not: then nobody need wait for the thread to end.
  const bool kicking = kicking_;
  lock.unlock();
  changed_.notify_all();
  if (kicking && watchdog_.joinable()) watchdog_.join();
  return outcome_;
}

void VcpuExecutor::ServeWorker(unsigned index) {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || workers_[index]->running; });
      if (stopping_ && !workers_[index]->running) return;
    }
    Serve(index);
    {
      std::lock_guard lock(mutex_);
      workers_[index]->running = false;
    }
    changed_.notify_all();
  }
}

void VcpuExecutor::Serve(unsigned index) {
  workers_[index]->thread_id.store(ThreadId(), std::memory_order_release);
  Turn(index, StallClock::Doing::kGuestCode);
  ServeAll(index);
  Turn(index, StallClock::Doing::kNothing);
}

void VcpuExecutor::ServeAll(unsigned index) {
  if (options_.timing == nullptr) return ServeRings(index, nullptr);
  RequestTally tally;
  ServeRings(index, &tally);
  const std::lock_guard lock(mutex_);
  tally.AddTo(*options_.timing);
}

void VcpuExecutor::ServeRings(unsigned index, RequestTally* tally) {
  instar_mailbox* box = mailbox(index);
  Worker& worker = *workers_[index];
  while (!ended()) {
    std::string detail;
    switch (RunVcpu(index, &detail)) {
      case RunEnd::kRang:
        break;
      case RunEnd::kInterrupted:
        if (ticking_) LookAgain();
        continue;
      case RunEnd::kDied:
        End(Ended(Outcome::Kind::kFault, std::move(detail)));
        return;
    }
    Turn(index, StallClock::Doing::kCall);
    CallFrame frame;
    frame.op = __atomic_load_n(&box->op, __ATOMIC_RELAXED);
    for (std::size_t i = 0; i < frame.args.size(); ++i) {
      frame.args[i] = __atomic_load_n(&box->args[i], __ATOMIC_RELAXED);
    }
    CallResult result;
    if (tally != nullptr) tally->Begin();
    if (frame.op != INSTAR_OP_YIELD) NoteRing();
    CarryOutPosted(index, *box);
    switch (frame.op) {
      case INSTAR_OP_YIELD:
        // A single vCPU has nobody to wait for.
        if (workers_.size() > 1) Turn(index, StallClock::Doing::kWaiting);
        result = Yield(worker);
        break;
      case INSTAR_OP_FINISH:
        End(Ended(Outcome::Kind::kFinished));
        return;
      case INSTAR_OP_FAIL:
        EndByFailure(frame);
        return;
      case INSTAR_OP_WORKER_DONE:
        if (index == 0) {
          End(Ended(Outcome::Kind::kViolation, "the first vCPU claims to be a worker"));
          return;
        }
        return;
      case INSTAR_OP_PARALLEL_START:
      case INSTAR_OP_PARALLEL_JOIN:
        if (index != 0) {
          End(Ended(Outcome::Kind::kViolation, "a worker tried to start workers"));
          return;
        }
        if (frame.op == INSTAR_OP_PARALLEL_START) {
          result = StartParallel(frame);
        } else {
          Turn(index, StallClock::Doing::kWaiting);
          result = JoinParallel();
        }
        break;
      default:
        result = handler_->Handle(index, frame, view_);
        break;
    }
    if (tally != nullptr) tally->End(frame, view_);
    box->result = result.result;
    box->value = result.value;
    worker.rings_seen = rings_.load(std::memory_order_relaxed);
    Turn(index, StallClock::Doing::kGuestCode);
    if (const char* why = handler_->violation(); why != nullptr) {
      End(Ended(Outcome::Kind::kViolation, why));
    }
    if (ticking_) LookAgain();
  }
}

void VcpuExecutor::CarryOutPosted(unsigned index, instar_mailbox& box) {
  const std::uint64_t total = __atomic_load_n(&box.posted_total, __ATOMIC_RELAXED);
  if (total == 0) return;
  CallFrame frame;
  frame.op = INSTAR_OP_PROGRESS;
  frame.args = {__atomic_load_n(&box.posted_done, __ATOMIC_RELAXED), total};
  __atomic_store_n(&box.posted_total, std::uint64_t{0}, __ATOMIC_RELAXED);
  handler_->Handle(index, frame, view_);
}

void VcpuExecutor::NoteRing() {
  rings_.fetch_add(1);
  if (yielding_.load() == 0) return;
  // Under the mutex, so that who is about to wait either sees the count or hears this.
  std::lock_guard lock(yield_mutex_);
  rang_.notify_all();
}

CallResult VcpuExecutor::Yield(Worker& worker) {
  std::unique_lock lock(yield_mutex_);
  yielding_.fetch_add(1);
  rang_.wait_for(lock, kLongestYield,
                 [&] { return ended() || rings_.load() != worker.rings_seen; });
  yielding_.fetch_sub(1);
  return {};
}

CallResult VcpuExecutor::StartParallel(const CallFrame& frame) {
  const std::uint64_t others = frame.args[0];
  {
    std::lock_guard lock(mutex_);
    const bool busy =
        std::any_of(workers_.begin(), workers_.end(), [](const auto& w) { return w->running; });
    if (others >= workers_.size() || busy) {
      return {.result =
                  INSTAR_CALL_ERROR(static_cast<std::uint32_t>(ErrorCode::kInvalidArgument), 0)};
    }
    for (unsigned i = 1; i <= others; ++i) {
      mailbox(i)->start_function = frame.args[1];
      mailbox(i)->start_argument = frame.args[2];
      workers_[i]->running = true;
    }
  }
  changed_.notify_all();
  return {};
}

CallResult VcpuExecutor::JoinParallel() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] {
    return ended() ||
           std::none_of(workers_.begin(), workers_.end(), [](const auto& w) { return w->running; });
  });
  return {};
}

void VcpuExecutor::EndByFailure(const CallFrame& frame) {
  Outcome outcome = Ended(Outcome::Kind::kFailed);
  instar_failure failure{};
  const auto bytes = view_.Readable(frame.args[0], sizeof failure);
  if (bytes.empty()) {
    End(Ended(Outcome::Kind::kViolation, "the guest's error report lies outside its memory"));
    return;
  }
  std::memcpy(&failure, bytes.data(), sizeof failure);
  outcome.error_code = failure.code;
  outcome.error_device = failure.device;
  outcome.error_errno = failure.os_errno;
  std::copy(std::begin(failure.numbers), std::end(failure.numbers), outcome.error_numbers.begin());
  const std::uint64_t length = std::min<std::uint64_t>(failure.message_length, INSTAR_MAX_MESSAGE);
  const auto text = view_.Readable(reinterpret_cast<std::uint64_t>(failure.message), length);
  outcome.error_message.assign(reinterpret_cast<const char*>(text.data()), text.size());
  End(std::move(outcome));
}

void VcpuExecutor::End(Outcome outcome) {
  {
    std::lock_guard lock(mutex_);
    if (ended()) return;
    outcome_ = std::move(outcome);
    ended_.store(true, std::memory_order_release);
    if (handler_ != nullptr) handler_->Stop();
  }
  changed_.notify_all();
  for (unsigned i = 0; i < workers_.size(); ++i) Kick(i);
}

void VcpuExecutor::Turn(unsigned index, StallClock::Doing next) {
  Worker& worker = *workers_[index];
  const std::lock_guard lock(worker.clock_mutex);
  worker.clock.Turn(next, clock_.Now(Clock::now().time_since_epoch()), handler_->work_done(index));
}

std::chrono::nanoseconds VcpuExecutor::Stalled(std::chrono::nanoseconds now) {
  std::chrono::nanoseconds longest{0};
  std::uint64_t fresh = 0;
  run_stall_.Begin(now);
  for (unsigned i = 0; i < workers_.size(); ++i) {
    Worker& worker = *workers_[i];
    const std::lock_guard lock(worker.clock_mutex);
    const WorkDone done = handler_->work_done(i);
    fresh += done.fresh;
    longest = std::max(longest, worker.clock.Look(now, done, ProcessorTime(i)));
    run_stall_.Add(worker.clock);
  }
  return std::max(longest, run_stall_.End(fresh));
}

// A look at whether the run still gets on; ends it if not.
void VcpuExecutor::Look(std::unique_lock<std::mutex>& lock) {
  if (handler_ == nullptr) return;
  looked_at_ = Clock::now();
  clock_.Tick(looked_at_.time_since_epoch());
  const std::chrono::nanoseconds stalled = Stalled(clock_.Now(looked_at_.time_since_epoch()));
  const bool late = options_.deadline != Clock::time_point() && looked_at_ >= options_.deadline;
  lock.unlock();
  if (std::string dead = CheckAlive(); !dead.empty()) {
    End(Ended(Outcome::Kind::kFault, std::move(dead)));
  } else if (late) {
    End(Ended(Outcome::Kind::kTimedOut, absl::StrFormat("not done after %g seconds (--timeout)",
                                                        Seconds(options_.time_limit))));
  } else if (stalled >= options_.stall_timeout) {
    End(Ended(Outcome::Kind::kStalled,
              absl::StrFormat("no progress for %g seconds (--stall-timeout)",
                              Seconds(options_.stall_timeout))));
  }
  lock.lock();
}

void VcpuExecutor::HandleKickSignal(bool restarts) {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  action.sa_flags = restarts ? SA_RESTART : 0;
  sigaction(kKickSignal, &action, nullptr);
}

void VcpuExecutor::InterruptThread(unsigned index) {
  const pid_t thread = workers_[index]->thread_id.load(std::memory_order_acquire);
  if (thread != 0 && thread != ThreadId()) syscall(SYS_tgkill, getpid(), thread, kKickSignal);
}

// The same by the thread of the only vCPU: whenever it runs in the host, but not too often.
void VcpuExecutor::LookAgain() {
  if (Clock::now() - looked_at_ < kWatchdogTick / 2) return;
  std::unique_lock lock(mutex_);
  Look(lock);
}

void VcpuExecutor::Watch() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kWatchdogTick, [this] { return stopping_ || ended(); })) {
    Look(lock);
  }
  // The kick of who ended the run can come between a vCPU thread's check and its next entry; repeat
  // it until all have seen the end.
  while (
      !changed_.wait_for(lock, kLongestEnd, [this] { return stopping_ || handler_ == nullptr; })) {
    kicking_ = true;
    lock.unlock();
    for (unsigned i = 0; i < workers_.size(); ++i) Kick(i);
    lock.lock();
  }
}

}  // namespace instar::vmm
