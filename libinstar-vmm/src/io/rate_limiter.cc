#include "io/rate_limiter.h"

#include <algorithm>

namespace instar::vmm {

RateLimiter::Nanoseconds RateLimiter::Reserve(std::uint64_t bytes, Nanoseconds now) {
  if (!limited()) return Nanoseconds(0);
  // A year at most: more would overflow the clock, and nobody waits for it.
  constexpr double kYear = 365.0 * 86400 * 1e9;
  const auto cost = static_cast<std::int64_t>(
      std::min(static_cast<double>(bytes) / static_cast<double>(rate_) * 1e9, kYear));
  std::int64_t paid_until = paid_until_.load(std::memory_order_relaxed);
  std::int64_t start = 0;
  std::int64_t end = 0;
  do {
    start = std::max(paid_until, now.count() - Nanoseconds(kBurst).count());
    if (__builtin_add_overflow(start, cost, &end)) end = start;
  } while (!paid_until_.compare_exchange_weak(paid_until, end, std::memory_order_relaxed));
  return Nanoseconds(std::max<std::int64_t>(start - now.count(), 0));
}

}  // namespace instar::vmm
