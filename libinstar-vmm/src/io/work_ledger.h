// What the guest has had done so far, for the watchdog: how many bytes each vCPU had moved, and how
// many of them were new. A hostile guest can forge neither.
//
// New are bytes that are written to their place in a target for the first time
// (first_time_bytes.h), and bytes read within twice the data that the run's files hold, and 64 MiB
// (readable_bytes.h); a check that has to walk over the tables more often says so. Whatever goes
// beyond that is done all the same, but is no progress. Records and reports of how far the run is
// count nothing: a guest can make as many as it likes.
#ifndef LIBINSTAR_VMM_SRC_IO_WORK_LEDGER_H_
#define LIBINSTAR_VMM_SRC_IO_WORK_LEDGER_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "executor/call_handler.h"
#include "instar/abi/call_table.h"
#include "io/first_time_bytes.h"
#include "io/rate_limiter.h"
#include "io/readable_bytes.h"
#include "io/run_stop.h"

namespace instar::vmm {

// What a target was given. Honest code does both once: it has storage reserved, or zeros put, for a
// place, and then writes to it.
struct TargetWork {
  FirstTimeBytes written;  // bytes moved there
  FirstTimeBytes stored;   // reserved, zeroed or discarded
};

class WorkLedger {
 public:
  static constexpr std::uint64_t kFreeBytes = std::uint64_t{64} << 20;
  // To find a run of a file's data or holes counts as so much read.
  static constexpr std::uint64_t kRunBytes = 1024;

  explicit WorkLedger(std::uint64_t bytes_per_second) : limiter_(bytes_per_second) {}

  [[nodiscard]] ReadableBytes& readable() { return readable_; }
  [[nodiscard]] const ReadableBytes& readable() const { return readable_; }
  // How often all data may be read before that is no progress. Before the run.
  void set_read_passes(unsigned passes) { read_passes_ = passes; }
  [[nodiscard]] RunStop& stop() { return stop_; }
  [[nodiscard]] WorkDone done(unsigned worker) const;
  // Of all workers.
  [[nodiscard]] std::uint64_t fresh() const {
    std::uint64_t total = 0;
    for (const Tally& tally : tallies_) total += tally.fresh.load(std::memory_order_relaxed);
    return total;
  }

 private:
  friend class WorkMeter;
  struct Tally {
    std::atomic<std::uint64_t> moved{0};
    std::atomic<std::uint64_t> fresh{0};
  };

  std::uint64_t FreshOfRead(std::uint64_t bytes);

  RateLimiter limiter_;
  RunStop stop_;
  ReadableBytes readable_;
  std::atomic<std::uint64_t> read_{0};
  unsigned read_passes_ = 2;
  std::array<Tally, INSTAR_MAX_WORKERS> tallies_;
};

// One worker's side of the ledger.
class WorkMeter {
 public:
  explicit WorkMeter(WorkLedger& ledger, unsigned worker = 0) : ledger_(&ledger), worker_(worker) {}

  // A piece was done: so many bytes went to a place of a target, ...
  void NotePlaced(FirstTimeBytes& places, std::uint64_t offset, std::uint64_t bytes) {
    Note(bytes, places.Add(offset, bytes));
  }
  // ... got storage there, zeros or none, which takes time and shows in no byte: what the call took
  // is forgiven, and no more, however many bytes were named, ...
  void NoteStored(FirstTimeBytes& places, std::uint64_t offset, std::uint64_t bytes) {
    Note(1, places.Add(offset, bytes) > 0 ? 1 : 0);
  }
  // ... were read, scanned or compared, ...
  void NoteRead(std::uint64_t bytes) { Note(bytes, ledger_->FreshOfRead(bytes)); }
  // ... or came out of a pipe, which gives each once.
  void NoteReceived(std::uint64_t bytes) { Note(bytes, bytes); }
  // What the call took is not the guest's doing, but no byte shows it: the time until here is
  // forgiven.
  void Forgive() { Note(1, 1); }

  // Waits as the rate limit wants before `bytes` are written. False: the run has ended.
  [[nodiscard]] bool Throttle(std::uint64_t bytes);
  [[nodiscard]] bool stopped() const { return ledger_->stop_.stopped(); }
  [[nodiscard]] const RunStop* stop() const { return &ledger_->stop_; }

 private:
  void Note(std::uint64_t moved, std::uint64_t fresh) {
    WorkLedger::Tally& tally = ledger_->tallies_[worker_];
    // In this order, so that who reads in the other never sees more new than moved.
    tally.moved.fetch_add(moved, std::memory_order_relaxed);
    tally.fresh.fetch_add(fresh, std::memory_order_release);
  }

  WorkLedger* ledger_;
  unsigned worker_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_WORK_LEDGER_H_
