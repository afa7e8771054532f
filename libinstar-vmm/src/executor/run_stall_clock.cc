#include "executor/run_stall_clock.h"

#include <algorithm>

namespace instar::vmm {
namespace {

constexpr StallClock::Nanoseconds kNone{0};

// 1 if both are 0.
double Ratio(StallClock::Nanoseconds a, StallClock::Nanoseconds b) {
  return b == kNone ? 1 : static_cast<double>(a.count()) / static_cast<double>(b.count());
}

}  // namespace

void RunStallClock::Begin(Nanoseconds now) {
  interval_ = std::max(now - looked_at_, kNone);
  looked_at_ = now;
  under_way_ = forgiven_ = late_ = guest_code_ = processor_ = kNone;
  some_run_ = false;
  processor_is_known_ = true;
}

void RunStallClock::Add(const StallClock& vcpu) {
  const StallClock::Looked& looked = vcpu.looked();
  // All of these end now: the longest covers the others.
  under_way_ = std::max(under_way_, std::min(looked.under_way, interval_));
  forgiven_ += looked.forgiven;
  late_ += looked.late;
  guest_code_ += looked.guest_code;
  if (vcpu.doing() == StallClock::Doing::kGuestCode) some_run_ = true;
  if (looked.processor) {
    processor_ += *looked.processor;
  } else if (vcpu.doing() != StallClock::Doing::kNothing) {
    processor_is_known_ = false;
  }
}

StallClock::Nanoseconds RunStallClock::End(std::uint64_t fresh) {
  Nanoseconds lost = std::max(interval_ - under_way_ - forgiven_, kNone);
  if (some_run_ && processor_is_known_) {
    const double at_once =
        std::clamp<double>(Ratio(guest_code_, interval_), 1, StallClock::kPatience);
    const auto mean = std::chrono::duration_cast<Nanoseconds>(processor_ / at_once);
    lost = std::min(lost, StallClock::kPatience * mean);
  }
  const Nanoseconds late = std::min(late_, undecided_);
  undecided_ = std::max(undecided_ - late - forgiven_, kNone) + under_way_;
  level_ = std::max(level_ + lost + late - TimeMadeGood(fresh - fresh_), kNone);
  fresh_ = fresh;
  return level_;
}

}  // namespace instar::vmm
