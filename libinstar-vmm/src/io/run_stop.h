// Tells the loops that move data that the run has ended.
//
// A run can end while threads of it are in the middle of a request: another vCPU faulted, the
// watchdog saw no progress, the time is over. Whoever ends it sets the flag. Each loop of the
// broker and of io/ looks at it before each piece of its work, and gives up with ECANCELED, which
// nobody reads: the guest that asked is gone. A thread that waits in a system call is woken by a
// signal (VcpuExecutor::Kick), so a call that was interrupted is not repeated without a look
// either.
#ifndef LIBINSTAR_VMM_SRC_IO_RUN_STOP_H_
#define LIBINSTAR_VMM_SRC_IO_RUN_STOP_H_

#include <atomic>

namespace instar::vmm {

class RunStop {
 public:
  void Stop() { stopped_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> stopped_{false};
};

// Null: of a run that nobody stops.
[[nodiscard]] inline bool IsStopped(const RunStop* stop) {
  return stop != nullptr && stop->stopped();
}

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_RUN_STOP_H_
