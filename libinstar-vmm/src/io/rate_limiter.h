// Spreads bytes over time so that all workers together stay at a given rate.
#ifndef LIBINSTAR_VMM_SRC_IO_RATE_LIMITER_H_
#define LIBINSTAR_VMM_SRC_IO_RATE_LIMITER_H_

#include <atomic>
#include <chrono>
#include <cstdint>

namespace instar::vmm {

// A token bucket kept as one number: the time at which all bytes let through so far are paid for.
// A caller reserves its bytes by moving that time on, then waits until its own share begins; an
// idle limiter saves up no more than kBurst.
class RateLimiter {
 public:
  using Nanoseconds = std::chrono::nanoseconds;
  static constexpr Nanoseconds kBurst = std::chrono::milliseconds(100);

  explicit RateLimiter(std::uint64_t bytes_per_second) : rate_(bytes_per_second) {}

  [[nodiscard]] bool limited() const { return rate_ != 0; }

  // Reserves `bytes` and tells how long to wait, at `now`, before moving them.
  Nanoseconds Reserve(std::uint64_t bytes, Nanoseconds now);

 private:
  const std::uint64_t rate_;
  std::atomic<std::int64_t> paid_until_{0};
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_RATE_LIMITER_H_
