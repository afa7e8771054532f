// Copies into files of tmpfs by large pages (2 MiB), of one worker.
//
// The kernel gets a large page for a place of a file only when it is asked to (mapped_copy.h), and
// that pays only where all of the place is written anyway; pages that would stay holes must stay
// holes. So this remembers what the worker wrote last. Example: clusters of 64 KiB arrive one after
// the other. The first 31 of a place are written as usual; with the 32nd the place is full, and
// LargePages makes one page of it. Where a table of a page or less lies between two clusters, the
// gap counts as written, as its turn comes. Where a copy ends within a place and the next one fills
// it up, both are looked at together (JoinNext).
#ifndef LIBINSTAR_VMM_SRC_IO_LARGE_PAGES_H_
#define LIBINSTAR_VMM_SRC_IO_LARGE_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/bulk_file.h"
#include "io/mapped_copy.h"
#include "io/work_ledger.h"

namespace instar::vmm {

// Not thread-safe: each worker has its own.
class LargePages {
 public:
  static constexpr std::uint64_t kBytes = MappedCopy::kLargePage;
  // Zeros in units of this size are found by looking at them, not by asking for holes.
  static constexpr std::uint64_t kSmallUnit = 4096;

  // `maps`: other workers write to the same files at the same time, so this one maps what it can.
  explicit LargePages(bool maps) : maps_(maps) {}

  // Whether the target is a file in memory and the kernel makes large pages.
  [[nodiscard]] bool Serves(const BulkFile& target) const;
  // Whether `offset` to `end` is the rest of a large page and most of it, of which this worker has
  // written whatever there is before.
  [[nodiscard]] bool Ends(const BulkFile& target, std::uint64_t offset, std::uint64_t end) const;
  // Whether `length` bytes at `offset` are the end of the copy and the beginning of a large page
  // that the next copy fills up, but for a page at most between them.
  [[nodiscard]] bool Begins(const BulkCopy& copy, std::uint64_t offset, std::uint64_t length) const;
  // Makes such a place, where the rest of the copy from `into` on goes, one large page if nothing
  // in it is left out. With zero units `staging`, of at least kBytes, begins with that rest.
  void JoinNext(const BulkCopy& copy, std::uint64_t into, std::span<std::byte> staging);
  // How much of the copy from its start on lies in a large page that was made for it.
  std::uint64_t TakeJoined(const BulkCopy& copy);
  void NoteWritten(const BulkFile& target, std::uint64_t offset, std::uint64_t length);
  // A copy to `offset` begins: a page or less that is left out before it is taken for metadata
  // between clusters, which will be written, too. In a large page there is one such place at most.
  void Bridge(const BulkFile& target, std::uint64_t offset);
  // Pages of the target may be gone: what was written does not count any more.
  void Forget() { written_ = {}, joined_ = {}; }
  // Copies without the lock of the target, if this worker does and it is possible.
  bool Copy(const BulkCopy& copy, std::uint64_t into, std::uint64_t length);
  // To be called before all of a range of a target is written otherwise: gets storage for it, where
  // that makes writing faster. The file has its length already, else nothing is done.
  void Prepare(const BulkFile& target, std::uint64_t offset, std::uint64_t length,
               const WorkMeter& meter);

 private:
  // Makes the target at least `end` bytes long; what lies before is about to be written.
  bool ReachTo(const BulkCopy& copy, std::uint64_t end);

  const bool maps_;
  MappedCopy mapped_;
  // What was written last without leaving out a page, but for one that was bridged.
  struct {
    std::uint32_t key = UINT32_MAX;  // of no file
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::uint64_t bridge_end = 0;
  } written_;
  // The large page that was made last for two copies, and what of the second lies in it.
  struct {
    std::uint32_t key = UINT32_MAX;
    std::uint64_t place = 0;
    std::uint64_t offset = 0;
    std::uint32_t source_key = UINT32_MAX;
    std::uint64_t source_offset = 0;
  } joined_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_LARGE_PAGES_H_
