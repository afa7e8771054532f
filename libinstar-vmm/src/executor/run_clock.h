// Real time of a run, without the time in which the process did not run at all.
//
// A process that is stopped (SIGSTOP, a debugger, a laptop that sleeps) finds out afterwards that a
// minute has passed. That minute must not be held against the guest. Whoever watches ticks this
// clock about twenty times a second; of a longer time between two ticks, kMostBetweenTicks counts.
// Any thread may ask it.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_RUN_CLOCK_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_RUN_CLOCK_H_

#include <atomic>
#include <chrono>
#include <cstdint>

namespace instar::vmm {

class RunClock {
 public:
  using Nanoseconds = std::chrono::nanoseconds;
  static constexpr Nanoseconds kMostBetweenTicks = std::chrono::milliseconds(100);

  // Starts anew, `real` being what std::chrono::steady_clock shows.
  void Start(Nanoseconds real) {
    ticked_.store(real.count());
    lost_.store(real.count());
  }
  // A look by who watches.
  void Tick(Nanoseconds real) {
    std::int64_t last = ticked_.load();
    const std::int64_t late = real.count() - last - kMostBetweenTicks.count();
    if (!ticked_.compare_exchange_strong(last, real.count())) return;
    if (late > 0) lost_.fetch_add(late);
  }
  // Time since Start.
  [[nodiscard]] Nanoseconds Now(Nanoseconds real) {
    if (real.count() - ticked_.load() > kMostBetweenTicks.count()) Tick(real);
    return Nanoseconds(real.count() - lost_.load());
  }

 private:
  std::atomic<std::int64_t> ticked_{0};  // real time of the last tick
  std::atomic<std::int64_t> lost_{0};    // real time of the start, and what did not count since
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_RUN_CLOCK_H_
