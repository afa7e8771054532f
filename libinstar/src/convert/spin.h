// Waiting for another worker without a scheduler to ask.
#ifndef INSTAR_CONVERT_SPIN_H_
#define INSTAR_CONVERT_SPIN_H_

#include <atomic>

namespace instar::convert {

inline void SpinPause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

// Holds `flag` for its lifetime.
class SpinGuard {
 public:
  explicit SpinGuard(std::atomic_flag& flag) : flag_(flag) {
    while (flag_.test_and_set(std::memory_order_acquire)) {
      while (flag_.test(std::memory_order_relaxed)) SpinPause();
    }
  }
  ~SpinGuard() { flag_.clear(std::memory_order_release); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  std::atomic_flag& flag_;
};

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_SPIN_H_
