// Recording of phases where timing may be off.
#ifndef LIBINSTAR_VMM_SRC_TIMING_MARK_H_
#define LIBINSTAR_VMM_SRC_TIMING_MARK_H_

#include "instar/vmm/timing.h"

namespace instar::vmm {

inline void Mark(Timing* timing, TimingPhase phase) {
  if (timing != nullptr) timing->Mark(phase);
}

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_TIMING_MARK_H_
