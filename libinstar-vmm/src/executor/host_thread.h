// A thread of the host. Unlike std::thread it says by its result that it could not be started,
// which a limit of processes can cause at any time, and its stack is small: where address space is
// limited, 16 stacks of the usual 8 MiB would take an eighth of 1 GiB.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_HOST_THREAD_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_HOST_THREAD_H_

#include <pthread.h>

#include <cstddef>
#include <functional>

namespace instar::vmm {

class HostThread {
 public:
  static constexpr std::size_t kStackBytes = std::size_t{1} << 20;

  HostThread() = default;
  HostThread(const HostThread&) = delete;
  HostThread& operator=(const HostThread&) = delete;

  // Runs `body` in a thread of its own, once. False: the system starts no further thread.
  [[nodiscard]] bool Start(std::function<void()> body);
  [[nodiscard]] bool joinable() const { return started_; }
  // Must be called before a started thread's object goes.
  void join();

 private:
  std::function<void()> body_;
  pthread_t thread_{};
  bool started_ = false;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_HOST_THREAD_H_
