// --trace=timing: where the time of a run went, on standard error when it is over.
#ifndef CLI_TIMING_TRACE_H_
#define CLI_TIMING_TRACE_H_

#include <chrono>
#include <string>

#include "instar/vmm/timing.h"

namespace instar::cli {

// Made first thing in main; says nothing unless asked for.
class TimingTrace {
 public:
  TimingTrace();
  TimingTrace(const TimingTrace&) = delete;
  TimingTrace& operator=(const TimingTrace&) = delete;

  // From now on the trace is wanted. Where the run is to record its phases.
  [[nodiscard]] vmm::Timing* Want();
  // Writes the table if it is wanted, the phases up to now included.
  void Print();

 private:
  std::chrono::nanoseconds processor_time_before_;
  vmm::Timing timing_;
  const vmm::Timing::Clock::time_point begin_ = timing_.last;
  bool wanted_ = false;
};

// The table: a line a phase, requests of the guest within its phase. `total` is from main on,
// `before` the processor time that the process took to get there.
[[nodiscard]] std::string TimingText(const vmm::Timing& timing, std::chrono::nanoseconds before,
                                     std::chrono::nanoseconds total);

}  // namespace instar::cli

#endif  // CLI_TIMING_TRACE_H_
