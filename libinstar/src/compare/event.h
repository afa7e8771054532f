// What ends a comparison, and which of several events does.
#ifndef INSTAR_COMPARE_EVENT_H_
#define INSTAR_COMPARE_EVENT_H_

#include <atomic>
#include <cstdint>

#include "disk/backoff.h"
#include "instar/host.h"
#include "instar/result_records.h"

namespace instar::compare {

struct Event {
  CompareVerdict verdict = CompareVerdict::kIdentical;
  std::uint64_t offset = ~std::uint64_t{0};  // on the virtual disk
  Error error;                               // kMapUnreadable, kDataUnreadable
};

// The event with the lowest offset so far. Workers finish what lies below it, and nothing else, so
// in the end it is the lowest of all.
class FirstEvent {
 public:
  explicit FirstEvent(Host& host) : host_(host) {}

  void Offer(const Event& event) {
    const disk::SpinGuard guard(lock_, host_);
    if (event.offset >= offset_.load(std::memory_order_relaxed)) return;
    event_ = event;
    offset_.store(event.offset, std::memory_order_relaxed);
  }

  // Whether what starts at `offset` cannot matter any more.
  [[nodiscard]] bool Before(std::uint64_t offset) const {
    return offset_.load(std::memory_order_relaxed) <= offset;
  }

  // When no worker runs any more.
  [[nodiscard]] const Event& event() const { return event_; }

 private:
  Host& host_;
  std::atomic_flag lock_;
  std::atomic<std::uint64_t> offset_{~std::uint64_t{0}};
  Event event_;
};

}  // namespace instar::compare

#endif  // INSTAR_COMPARE_EVENT_H_
