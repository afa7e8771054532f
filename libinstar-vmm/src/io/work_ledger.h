// What the guest has had done so far, and how much more it may: the number the watchdog looks at,
// and the bound on endless requests.
//
// A hostile guest must not keep the host busy for ever by having the same bytes written again and
// again. Honest code writes each byte of a target at most about twice (data once, metadata some
// times more), so everything written, zeroed or copied is charged against
//     2 * (the highest offsets written so far) + 1 GiB,
// and a guest beyond that is ended. Bytes read to be scanned or compared count as progress within
// twice the size of all devices + 1 GiB; beyond, they are done but no longer count, and the
// watchdog ends a guest that does nothing else.
#ifndef LIBINSTAR_VMM_SRC_IO_WORK_LEDGER_H_
#define LIBINSTAR_VMM_SRC_IO_WORK_LEDGER_H_

#include <atomic>
#include <cstdint>

#include "io/rate_limiter.h"

namespace instar::vmm {

class WorkLedger {
 public:
  static constexpr std::uint64_t kFreeBytes = std::uint64_t{1} << 30;

  explicit WorkLedger(std::uint64_t bytes_per_second) : limiter_(bytes_per_second) {}

  // A device with `bytes` of content was opened; more may be scanned.
  void AddReadable(std::uint64_t bytes);
  // A target, which has been written up to `reached`, was written up to `end`; more may be written.
  void Reached(std::atomic<std::uint64_t>& reached, std::uint64_t end);

  // `bytes` are about to be moved to a target. Waits as the rate limit wants. False: the guest has
  // used up its budget, do not move them.
  [[nodiscard]] bool ChargeMove(std::uint64_t bytes);
  // The same of bytes of which none may come to be written: they are shared with their source, or
  // zeros. The rate limit does not concern them.
  [[nodiscard]] bool Charge(std::uint64_t bytes);
  // Waits as the rate limit wants before `bytes` are written that Charge was told of.
  void Throttle(std::uint64_t bytes);
  // `bytes` were read to be scanned or compared.
  void ChargeScan(std::uint64_t bytes);
  // Something else advanced: a record was accepted, progress moved.
  void Advance() { mark_.fetch_add(1, std::memory_order_relaxed); }

  [[nodiscard]] std::uint64_t readable() const { return readable_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t mark() const { return mark_.load(std::memory_order_relaxed); }

 private:
  void Wait(RateLimiter::Nanoseconds duration);

  RateLimiter limiter_;
  std::atomic<std::uint64_t> mark_{0};
  std::atomic<std::uint64_t> readable_{0};
  std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> moved_{0};
  std::atomic<std::uint64_t> scanned_{0};
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_WORK_LEDGER_H_
