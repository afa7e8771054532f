#include "io/work_ledger.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>

namespace instar::vmm {
namespace {

std::uint64_t SaturatingAdd(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? ~std::uint64_t{0} : sum;
}

void AtomicSaturatingAdd(std::atomic<std::uint64_t>& total, std::uint64_t bytes) {
  std::uint64_t old = total.load(std::memory_order_relaxed);
  while (!total.compare_exchange_weak(old, SaturatingAdd(old, bytes), std::memory_order_relaxed)) {
  }
}

std::uint64_t Allowance(const std::atomic<std::uint64_t>& base) {
  const std::uint64_t bytes = base.load(std::memory_order_relaxed);
  return SaturatingAdd(SaturatingAdd(bytes, bytes), WorkLedger::kFreeBytes);
}

RateLimiter::Nanoseconds Now() { return std::chrono::steady_clock::now().time_since_epoch(); }

}  // namespace

void WorkLedger::AddReadable(std::uint64_t bytes) { AtomicSaturatingAdd(readable_, bytes); }

void WorkLedger::Reached(std::atomic<std::uint64_t>& reached, std::uint64_t end) {
  std::uint64_t old = reached.load(std::memory_order_relaxed);
  while (old < end) {
    if (reached.compare_exchange_weak(old, end, std::memory_order_relaxed)) {
      AtomicSaturatingAdd(written_, end - old);
      return;
    }
  }
}

bool WorkLedger::ChargeMove(std::uint64_t bytes) {
  if (!Charge(bytes)) return false;
  Throttle(bytes);
  return true;
}

void WorkLedger::Throttle(std::uint64_t bytes) {
  if (limiter_.limited()) Wait(limiter_.Reserve(bytes, Now()));
}

bool WorkLedger::Charge(std::uint64_t bytes) {
  AtomicSaturatingAdd(moved_, bytes);
  if (moved_.load(std::memory_order_relaxed) > Allowance(written_)) return false;
  mark_.fetch_add(bytes, std::memory_order_relaxed);
  return true;
}

void WorkLedger::ChargeScan(std::uint64_t bytes) {
  AtomicSaturatingAdd(scanned_, bytes);
  if (scanned_.load(std::memory_order_relaxed) > Allowance(readable_)) return;
  mark_.fetch_add(bytes, std::memory_order_relaxed);
}

void WorkLedger::Wait(RateLimiter::Nanoseconds duration) {
  // In slices, so that the watchdog sees that it is the user's own limit that takes the time.
  constexpr RateLimiter::Nanoseconds kSlice = std::chrono::milliseconds(500);
  while (duration.count() > 0) {
    const RateLimiter::Nanoseconds slice = std::min(duration, kSlice);
    timespec wait = {.tv_sec = 0, .tv_nsec = static_cast<long>(slice.count())};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, &wait) == EINTR) {
    }
    duration -= slice;
    Advance();
  }
}

}  // namespace instar::vmm
