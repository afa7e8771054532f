#include "io/work_ledger.h"

#include <algorithm>
#include <chrono>
#include <ctime>

namespace instar::vmm {
namespace {

RateLimiter::Nanoseconds Now() { return std::chrono::steady_clock::now().time_since_epoch(); }

}  // namespace

WorkDone WorkLedger::done(unsigned worker) const {
  const Tally& tally = tallies_[worker];
  WorkDone done;
  done.fresh = tally.fresh.load(std::memory_order_acquire);
  done.moved = tally.moved.load(std::memory_order_relaxed);
  return done;
}

std::uint64_t WorkLedger::FreshOfRead(std::uint64_t bytes) {
  // So many times the data, and some: of what is beyond the free bytes, that part has to be there.
  const std::uint64_t before = read_.fetch_add(bytes, std::memory_order_relaxed);
  const std::uint64_t after = before + bytes;
  if (after <= kFreeBytes) return bytes;
  if (readable_.Reaches((after - kFreeBytes - 1) / read_passes_ + 1)) return bytes;
  const std::uint64_t known = std::min(readable_.known(), std::uint64_t{1} << 56);
  const std::uint64_t most = read_passes_ * known + kFreeBytes;
  return most > before ? std::min(bytes, most - before) : 0;
}

bool WorkMeter::Throttle(std::uint64_t bytes) {
  if (!ledger_->limiter_.limited()) return !stopped();
  // In slices, so that the end of the run is seen. The time is forgiven if the bytes prove new.
  constexpr RateLimiter::Nanoseconds kSlice = std::chrono::milliseconds(50);
  RateLimiter::Nanoseconds duration = ledger_->limiter_.Reserve(bytes, Now());
  const RateLimiter::Nanoseconds end = Now() + duration;
  while (duration.count() > 0 && !stopped()) {
    const RateLimiter::Nanoseconds slice = std::min(duration, kSlice);
    const timespec wait = {.tv_sec = 0, .tv_nsec = static_cast<long>(slice.count())};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, nullptr);
    duration = end - Now();
  }
  return !stopped();
}

}  // namespace instar::vmm
