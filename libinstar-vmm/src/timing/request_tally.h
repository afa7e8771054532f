// The requests of one vCPU, counted and timed while it is at work.
//
// An executor makes one for each stretch of work of a vCPU if timing is asked for, and adds it to
// the run's Timing afterwards, under a lock: nothing is shared on the path of a request.
#ifndef LIBINSTAR_VMM_SRC_TIMING_REQUEST_TALLY_H_
#define LIBINSTAR_VMM_SRC_TIMING_REQUEST_TALLY_H_

#include <array>
#include <cstdint>

#include "executor/call_handler.h"
#include "instar/vmm/timing.h"

namespace instar::vmm {

// Bytes of files or records that a request is about, as far as its lists can be read. For
// statistics only: the guest may have changed them since.
std::uint64_t BytesOfRequest(const CallFrame& frame, const GuestMemory& memory);

class RequestTally {
 public:
  void Begin() { begin_ = Timing::Clock::now(); }
  void End(const CallFrame& frame, const GuestMemory& memory);
  // Ends the stretch of work and adds it to `timing`.
  void AddTo(Timing& timing) const;

 private:
  Timing::Clock::time_point start_ = Timing::Clock::now();
  Timing::Clock::time_point begin_ = start_;
  std::array<Timing::Requests, kTimingOperations> requests_{};
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_TIMING_REQUEST_TALLY_H_
