// Telling the host how far the conversion is, rarely enough to cost nothing.
#ifndef DISK_PROGRESS_H_
#define DISK_PROGRESS_H_

#include <atomic>
#include <cstdint>

#include "instar/host.h"

namespace instar::disk {

class ProgressMeter {
 public:
  ProgressMeter(Host& host, std::uint64_t total_bytes)
      : host_(host), total_(total_bytes), step_(total_bytes / 100 + 1) {}

  // Tells that `done` bytes are settled if that is news of a percent or more. Of workers that come
  // at once one tells; what it tells never decreases.
  Status Update(std::uint64_t done) {
    if (done < next_.load(std::memory_order_relaxed)) return {};
    if (busy_.test_and_set(std::memory_order_acquire)) return {};
    Status status;
    if (done >= next_.load(std::memory_order_relaxed) && done < total_) {
      next_.store(done + step_, std::memory_order_relaxed);
      status = host_.Progress(done, total_);
    }
    busy_.clear(std::memory_order_release);
    return status;
  }

  // Once, when no worker runs any more.
  Status Finish() { return host_.Progress(total_, total_); }

 private:
  Host& host_;
  const std::uint64_t total_;
  const std::uint64_t step_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic_flag busy_;
};

}  // namespace instar::disk

#endif  // DISK_PROGRESS_H_
