// Waiting for another worker.
//
// Workers are virtual processors of a guest that has no scheduler. What is waited for mostly takes
// microseconds, so a waiter first spins; but the other worker may be reading from a slow disk, or
// its thread may not be running at all on a busy host. Then spinning would take the processor from
// the very thread that is waited for (measured on two busy cores: convert three times as slow), and
// the host is asked to let others run.
#ifndef DISK_BACKOFF_H_
#define DISK_BACKOFF_H_

#include <atomic>

#include "instar/host.h"

namespace instar::disk {

// One wait: call Pause until the awaited has happened.
class Backoff {
 public:
  explicit Backoff(Host& host) : host_(host) {}

  void Pause() {
    if (++pauses_ <= kSpins) {
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
      return;
    }
    host_.Yield();
  }

 private:
  static constexpr unsigned kSpins = 256;  // some ten microseconds, a third of a call
  Host& host_;
  unsigned pauses_ = 0;
};

// Holds `flag` for its lifetime.
class SpinGuard {
 public:
  SpinGuard(std::atomic_flag& flag, Host& host) : flag_(flag) {
    Backoff patience(host);
    while (flag_.test_and_set(std::memory_order_acquire)) patience.Pause();
  }
  ~SpinGuard() { flag_.clear(std::memory_order_release); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  std::atomic_flag& flag_;
};

}  // namespace instar::disk

#endif  // DISK_BACKOFF_H_
