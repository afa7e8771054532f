#include "executor/stall_clock.h"

#include <algorithm>

namespace instar::vmm {
namespace {

using Nanoseconds = StallClock::Nanoseconds;

// No bucket is ever as deep.
constexpr Nanoseconds kLongest = std::chrono::hours(24 * 365);

}  // namespace

Nanoseconds TimeMadeGood(std::uint64_t fresh_bytes) {
  const double seconds =
      static_cast<double>(fresh_bytes) / static_cast<double>(StallClock::kLeastBytesPerSecond);
  const double most = std::chrono::duration<double>(kLongest).count();
  return std::chrono::duration_cast<Nanoseconds>(
      std::chrono::duration<double>(std::min(seconds, most)));
}

void StallClock::Settle(Nanoseconds now, const WorkDone& done, bool call_is_done) {
  const Nanoseconds time = std::max(now - since_, Nanoseconds(0));
  const std::uint64_t moved = done.moved - seen_.moved;
  const std::uint64_t fresh = std::min(done.fresh - seen_.fresh, moved);
  switch (doing_) {
    case Doing::kNothing:
    case Doing::kWaiting:
      break;
    case Doing::kGuestCode:
      guest_code_ += time;
      break;
    case Doing::kCall: {
      if (moved == 0 && !call_is_done) return;
      const double old =
          moved == 0 ? 1 : static_cast<double>(moved - fresh) / static_cast<double>(moved);
      const auto unforgiven = std::chrono::duration_cast<Nanoseconds>(time * old);
      unforgiven_ += unforgiven;
      forgiven_ += time - unforgiven;
      late_ += std::min(unforgiven, looked_.under_way);
      looked_.under_way = Nanoseconds(0);
      break;
    }
  }
  fresh_ += fresh;
  seen_ = done;
  since_ = now;
}

void StallClock::Turn(Doing next, Nanoseconds now, const WorkDone& done) {
  Settle(now, done, /*call_is_done=*/true);
  if (doing_ == Doing::kNothing) {  // a worker begins anew
    guest_code_ = unforgiven_ = level_ = Nanoseconds(0);
    fresh_ = 0;
  }
  doing_ = next;
}

Nanoseconds StallClock::Look(Nanoseconds now, const WorkDone& done,
                             std::optional<Nanoseconds> processor) {
  Settle(now, done, /*call_is_done=*/false);
  Nanoseconds guest_code = looked_.guest_code = guest_code_;
  looked_.processor.reset();
  if (processor && processor_) {
    const Nanoseconds taken = *processor - *processor_;
    looked_.processor = std::min(guest_code, taken);
    guest_code = std::min(guest_code, kPatience * taken);
  }
  processor_ = processor;
  looked_.under_way =
      doing_ == Doing::kCall ? std::max(now - since_, Nanoseconds(0)) : Nanoseconds(0);
  looked_.forgiven = forgiven_;
  looked_.late = late_;
  level_ += guest_code + unforgiven_ - TimeMadeGood(fresh_);
  level_ = std::clamp(level_, Nanoseconds(0), kLongest);
  guest_code_ = unforgiven_ = forgiven_ = late_ = Nanoseconds(0);
  fresh_ = 0;
  if (doing_ == Doing::kNothing) level_ = Nanoseconds(0);
  return level_;
}

}  // namespace instar::vmm
