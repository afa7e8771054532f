// How long a run as a whole, with all of its vCPUs, has made no progress.
//
// The clock of each vCPU (stall_clock.h) does not count the time in which that vCPU waits for
// others. So sixteen vCPUs that take turns, each running guest code for a moment, could last
// sixteen times as long as one. This clock counts real time whoever uses it. Its bucket is emptied
// by the new bytes of all vCPUs together, and the following does not flow in:
//
//   time in which some vCPU has a call under way   a slow disk is no stall. What such a call proves
//                                                  to have wasted flows in when it is done, but no
//                                                  moment twice, however many calls were under way.
//   the share of a call's time that is forgiven    as for the vCPU
//
// On a busy machine the vCPUs of a guest may get a hundredth of a processor. While one of them runs
// guest code, no more counts than kPatience times the processor time that guest code got, as the
// mean of the vCPUs that ran it. Example: eight vCPUs each compress a cluster, for which one needs
// 0.5 s of a processor. Together they get a third of a processor, so the first new byte comes after
// 12 s. Of these 4 s count: 8 times 0.5 s. Of vCPUs that take turns one runs at a time, and the
// mean is the sum. However many run, the sum of their processor times counts at least.
//
// Not thread-safe.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_RUN_STALL_CLOCK_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_RUN_STALL_CLOCK_H_

#include <chrono>
#include <cstdint>

#include "executor/stall_clock.h"

namespace instar::vmm {

class RunStallClock {
 public:
  using Nanoseconds = StallClock::Nanoseconds;

  // One look: Begin, Add for each vCPU right after its own clock was looked at, End.
  void Begin(Nanoseconds now);
  void Add(const StallClock& vcpu);
  // `fresh`: new bytes of all vCPUs so far. How long the run has made no progress.
  Nanoseconds End(std::uint64_t fresh);

 private:
  Nanoseconds looked_at_{0};
  std::uint64_t fresh_ = 0;
  Nanoseconds level_{0};
  // Time that did not count because calls were under way of which nothing was known yet.
  Nanoseconds undecided_{0};

  // Of this look.
  Nanoseconds interval_{0};
  Nanoseconds under_way_{0};
  Nanoseconds forgiven_{0};
  Nanoseconds late_{0};
  Nanoseconds guest_code_{0};  // of all vCPUs together
  Nanoseconds processor_{0};   // that it took
  bool some_run_ = false;
  bool processor_is_known_ = true;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_RUN_STALL_CLOCK_H_
