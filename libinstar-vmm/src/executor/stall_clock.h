// How long a vCPU has made no progress.
//
// A bucket with a hole: time without progress flows in, and each new byte lets some out
// (kLeastBytesPerSecond). When it holds more than the stall timeout, the guest is ended. So a byte
// now and then does not keep a guest alive for ever. Which time flows in depends on what the vCPU
// does:
//
//   runs guest code      all of it
//   waits for others     none (JOIN, YIELD): those it waits for have clocks of their own, and so
//                        has the run (run_stall_clock.h)
//   has a call under way none, until a piece of it is done: a slow disk is no stall. Then the time
//                        that the piece took flows in, but for the share of its bytes that are new.
//
// Example: a guest has the same MiB written for ever. It spends all of its time in calls, but
// nothing that they write is new, so all of the time counts. Another one copies at 1 MB/s from a
// bad disk: each piece takes a second, all bytes of it are new, and nothing counts.
//
// On a machine that is busy with others a vCPU may get a hundredth of a processor. Where the
// processor time of guest code is known, and guest code cannot sleep (KVM), it is charged for no
// more than kPatience times that.
//
// Not thread-safe. `now` comes from one RunClock and does not go back (steps back count as none).
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_STALL_CLOCK_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_STALL_CLOCK_H_

#include <chrono>
#include <cstdint>
#include <optional>

#include "executor/call_handler.h"

namespace instar::vmm {

class StallClock {
 public:
  using Nanoseconds = std::chrono::nanoseconds;
  static constexpr std::uint64_t kLeastBytesPerSecond = 64 << 10;
  static constexpr int kPatience = 8;

  enum class Doing { kNothing, kGuestCode, kCall, kWaiting };

  // The vCPU turns to something else, having had `done` done.
  void Turn(Doing next, Nanoseconds now, const WorkDone& done);

  // A look at it. `processor`: processor time of the vCPU's thread in all, if that is known. How
  // long it has made no progress.
  Nanoseconds Look(Nanoseconds now, const WorkDone& done,
                   std::optional<Nanoseconds> processor = std::nullopt);

  [[nodiscard]] Doing doing() const { return doing_; }

  // What the last look found since the one before, for the clock of the run (run_stall_clock.h).
  struct Looked {
    Nanoseconds under_way{0};   // so long a call has been under way, no piece of it done
    Nanoseconds forgiven{0};    // time of pieces that were done
    Nanoseconds late{0};        // not forgiven, and before the look before: it was under way then
    Nanoseconds guest_code{0};  // time in which it ran guest code, or wanted to
    std::optional<Nanoseconds> processor;  // processor time that guest code took
  };
  [[nodiscard]] const Looked& looked() const { return looked_; }

 private:
  // Accounts for the time until `now`; of a call only if a piece of it, or all of it, is done.
  void Settle(Nanoseconds now, const WorkDone& done, bool call_is_done);

  Doing doing_ = Doing::kNothing;
  Nanoseconds since_{0};  // accounted for until then
  WorkDone seen_;         // what had been done then
  // Since the last look.
  Nanoseconds guest_code_{0};
  Nanoseconds unforgiven_{0};
  Nanoseconds forgiven_{0};
  Nanoseconds late_{0};
  std::uint64_t fresh_ = 0;
  std::optional<Nanoseconds> processor_;  // as of the last look
  Nanoseconds level_{0};
  Looked looked_;
};

// How much time so many new bytes make good.
[[nodiscard]] StallClock::Nanoseconds TimeMadeGood(std::uint64_t fresh_bytes);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_STALL_CLOCK_H_
