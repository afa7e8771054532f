// Hands the guest's word on how far it is to whoever wants to show it: never backwards, and no more
// often than somebody can see.
#ifndef LIBINSTAR_VMM_SRC_BROKER_PROGRESS_REPORTER_H_
#define LIBINSTAR_VMM_SRC_BROKER_PROGRESS_REPORTER_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

namespace instar::vmm {

class ProgressReporter {
 public:
  // A hundredth of a percent, what qemu-img prints. A callback is called at most so many times,
  // however often a guest reports.
  static constexpr std::uint64_t kSteps = 10'000;

  void set_callback(std::function<void(std::uint64_t, std::uint64_t)> callback) {
    callback_ = std::move(callback);
  }

  // `done` is at most `total`. Whether the callback was called.
  bool Report(std::uint64_t done, std::uint64_t total) {
    if (total == 0) return false;
    const auto step =
        static_cast<std::uint64_t>(static_cast<double>(done) / static_cast<double>(total) * kSteps);
    const std::lock_guard lock(mutex_);
    if (step < next_step_) return false;
    next_step_ = step + 1;
    if (callback_) callback_(done, total);
    return true;
  }

 private:
  std::mutex mutex_;
  std::uint64_t next_step_ = 0;
  std::function<void(std::uint64_t, std::uint64_t)> callback_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_PROGRESS_REPORTER_H_
