#include "inline_executor.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "bridge/host_bridge.h"
#include "executor/executor.h"
#include "instar/abi/mailbox.h"
#include "instar/verb_table.h"
#include "instar/verbs.h"
#include "timing/request_tally.h"

namespace instar::vmm {
namespace {

using VerbFunction = void (*)(const instar_call_table&, std::span<const std::byte>);

struct InlineVerb {
  std::string_view name;
  VerbFunction run;
};
#define INSTAR_ROW(name, Stem, ...)                                                \
  {#name, [](const instar_call_table& table, std::span<const std::byte> request) { \
     RunVerb(table, Run##Stem, request);                                           \
   }},
constexpr InlineVerb kVerbs[] = {INSTAR_VERBS(INSTAR_ROW)};
#undef INSTAR_ROW

thread_local unsigned current_worker = 0;
thread_local RequestTally* current_tally = nullptr;  // of the worker, if requests are timed

class InlineExecutor final : public Executor {
 public:
  explicit InlineExecutor(VerbFunction verb) : verb_(verb) {}
  ~InlineExecutor() override { StopThreads(); }

  [[nodiscard]] Isolation isolation() const override { return Isolation::kInline; }
  absl::Status Prepare(const ExecutorOptions& options) override {
    workers_ = options.workers;
    timing_ = options.timing;
    request_.assign(options.request.begin(), options.request.end());
    return absl::OkStatus();
  }
  absl::Status StartThreads() override {
    for (unsigned i = 1; i < workers_; ++i) {
      threads_.emplace_back([this, i] { WorkerLoop(i); });
    }
    return absl::OkStatus();
  }
  Outcome Run(CallHandler& handler) override {
    handler_ = &handler;
    const instar_call_table table = MakeTable();
    Timed([&] { verb_(table, request_); });
    if (const char* why = handler.violation(); why != nullptr) {
      outcome_.kind = Outcome::Kind::kViolation;
      outcome_.detail = why;
    }
    return outcome_;
  }

 private:
  template <typename... Arguments>
  CallResult Call(std::uint32_t op, Arguments... arguments) {
    CallFrame frame;
    frame.op = op;
    frame.args = {std::uint64_t(arguments)...};
    const GuestMemory memory = GuestMemory::Unchecked();
    if (current_tally == nullptr) return handler_->Handle(current_worker, frame, memory);
    current_tally->Begin();
    const CallResult result = handler_->Handle(current_worker, frame, memory);
    current_tally->End(frame, memory);
    return result;
  }

  // Does `work`, whose requests are timed if that is wanted.
  template <typename Work>
  void Timed(const Work& work) {
    if (timing_ == nullptr) return work();
    RequestTally tally;
    current_tally = &tally;
    work();
    current_tally = nullptr;
    const std::lock_guard lock(mutex_);
    tally.AddTo(*timing_);
  }
  static InlineExecutor& Self(void* context) { return *static_cast<InlineExecutor*>(context); }
  static std::uint64_t Address(const void* pointer) {
    return reinterpret_cast<std::uint64_t>(pointer);
  }

  instar_call_table MakeTable() {
    return {
        .magic = INSTAR_ABI_MAGIC,
        .version = INSTAR_ABI_VERSION,
        .size = sizeof(instar_call_table),
        .max_workers = workers_,
        .context = this,
        .device_info =
            [](void* c, std::uint32_t device, instar_device_info* info) {
              return Self(c).Call(INSTAR_OP_DEVICE_INFO, device, Address(info)).result;
            },
        .open_reference =
            [](void* c, std::uint32_t parent, const char* name, std::uint64_t length,
               std::uint32_t role) {
              return Self(c)
                  .Call(INSTAR_OP_OPEN_REFERENCE, parent, Address(name), length, role)
                  .result;
            },
        .resize =
            [](void* c, std::uint32_t device, std::uint64_t bytes, std::uint32_t preallocation) {
              return Self(c).Call(INSTAR_OP_RESIZE, device, bytes, preallocation).result;
            },
        .flush = [](void* c,
                    std::uint32_t device) { return Self(c).Call(INSTAR_OP_FLUSH, device).result; },
        .read =
            [](void* c, const instar_io* list, std::uint64_t count) {
              return Self(c).Call(INSTAR_OP_READ, Address(list), count).result;
            },
        .write =
            [](void* c, const instar_io* list, std::uint64_t count) {
              return Self(c).Call(INSTAR_OP_WRITE, Address(list), count).result;
            },
        .transfer =
            [](void* c, const instar_transfer* list, std::uint64_t count) {
              return Self(c).Call(INSTAR_OP_TRANSFER, Address(list), count).result;
            },
        .scan_zero =
            [](void* c, const instar_range* list, std::uint64_t count, std::uint64_t unit,
               std::uint64_t* bitmap, std::uint64_t words) {
              return Self(c)
                  .Call(INSTAR_OP_SCAN_ZERO, Address(list), count, unit, Address(bitmap), words)
                  .result;
            },
        .next_runs =
            [](void* c, std::uint32_t device, std::uint64_t offset, std::uint64_t max_length,
               std::uint64_t unit, instar_run* runs, std::uint64_t capacity) {
              return Self(c)
                  .Call(INSTAR_OP_NEXT_RUNS, device, offset, max_length, unit, Address(runs),
                        capacity)
                  .result;
            },
        .compare =
            [](void* c, const instar_range* a, const instar_range* b, std::uint64_t* first) {
              const CallResult reply = Self(c).Call(INSTAR_OP_COMPARE, Address(a), Address(b));
              *first = reply.value;
              return reply.result;
            },
        .emit =
            [](void* c, const void* records, std::uint64_t length) {
              return Self(c).Call(INSTAR_OP_EMIT, Address(records), length).result;
            },
        .progress =
            [](void* c, std::uint64_t done, std::uint64_t total) {
              return Self(c).Call(INSTAR_OP_PROGRESS, done, total).result;
            },
        .parallel = [](void* c, std::uint32_t workers, void (*function)(void*, unsigned),
                       void* argument) { return Self(c).Parallel(workers, function, argument); },
        .yield =
            [](void*) {
              std::this_thread::sleep_for(std::chrono::microseconds(50));
              return std::int64_t{0};
            },
        .finish = [](void* c) { Self(c).outcome_.kind = Outcome::Kind::kFinished; },
        .fail = [](void* c, const instar_failure* failure) { Self(c).Fail(*failure); },
        .write_root =
            [](void* c, std::uint32_t device, std::uint64_t offset, const void* data,
               std::uint64_t length) {
              return Self(c)
                  .Call(INSTAR_OP_WRITE_ROOT, device, offset, Address(data), length)
                  .result;
            },
        .resize_root =
            [](void* c, std::uint32_t device, std::uint64_t bytes, std::uint32_t preallocation) {
              return Self(c).Call(INSTAR_OP_RESIZE_ROOT, device, bytes, preallocation).result;
            },
    };
  }

  void Fail(const instar_failure& failure) {
    outcome_.kind = Outcome::Kind::kFailed;
    outcome_.error_code = failure.code;
    outcome_.error_device = failure.device;
    outcome_.error_errno = failure.os_errno;
    outcome_.error_message.assign(failure.message, failure.message_length);
    std::copy(std::begin(failure.numbers), std::end(failure.numbers),
              outcome_.error_numbers.begin());
  }

  std::int64_t Parallel(std::uint32_t workers, void (*function)(void*, unsigned), void* argument) {
    if (workers < 1 || workers > workers_) {
      return INSTAR_CALL_ERROR(static_cast<std::uint32_t>(ErrorCode::kInvalidArgument), 0);
    }
    {
      std::lock_guard lock(mutex_);
      function_ = function;
      argument_ = argument;
      wanted_ = workers;
      running_ = workers - 1;
      ++generation_;
    }
    changed_.notify_all();
    function(argument, 0);
    std::unique_lock lock(mutex_);
    if (current_tally != nullptr) current_tally->Begin();
    changed_.wait(lock, [this] { return running_ == 0; });
    if (current_tally != nullptr) {
      current_tally->End({.op = INSTAR_OP_PARALLEL_JOIN}, GuestMemory::Unchecked());
    }
    return 0;
  }

  void WorkerLoop(unsigned index) {
    current_worker = index;
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
      if (index >= wanted_) continue;
      lock.unlock();
      Timed([&] { function_(argument_, index); });
      lock.lock();
      --running_;
      changed_.notify_all();
    }
  }

  void StopThreads() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  VerbFunction verb_;
  unsigned workers_ = 1;
  Timing* timing_ = nullptr;
  std::vector<std::byte> request_;
  CallHandler* handler_ = nullptr;
  Outcome outcome_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::thread> threads_;
  void (*function_)(void*, unsigned) = nullptr;
  void* argument_ = nullptr;
  unsigned wanted_ = 0;
  unsigned running_ = 0;
  std::uint64_t generation_ = 0;
  bool stopping_ = false;
};

std::unique_ptr<Executor> MakeInlineExecutor(std::string_view image_name) {
  for (const InlineVerb& verb : kVerbs) {
    if (verb.name == image_name) return std::make_unique<InlineExecutor>(verb.run);
  }
  return nullptr;
}

}  // namespace

void RegisterInlineExecutor() { SetInlineExecutorFactory(MakeInlineExecutor); }

}  // namespace instar::vmm
