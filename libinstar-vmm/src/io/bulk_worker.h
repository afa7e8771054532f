// Moves, scans and compares bulk data on behalf of one worker; nothing here looks at what the data
// means.
//
// Copying goes through a staging buffer in pieces that fit the second-level cache (kPieceBytes).
// Measured here in the page cache, pieces from 64 KiB to 2 MiB cost the same, 0.55 to 0.65 s of
// processor time per GiB, nearly all of it the kernel's; skipping zeros adds less than the noise.
// Where the file system lets files share blocks, nothing is moved at all (block_sharing.h).
#ifndef LIBINSTAR_VMM_SRC_IO_BULK_WORKER_H_
#define LIBINSTAR_VMM_SRC_IO_BULK_WORKER_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "io/bit_writer.h"
#include "io/block_sharing.h"
#include "io/file_runs.h"
#include "io/head_probe.h"
#include "io/input_stream.h"
#include "io/io_file.h"
#include "io/io_result.h"
#include "io/mapped_copy.h"
#include "io/scan_cache.h"
#include "io/staging_buffer.h"
#include "io/work_ledger.h"

namespace instar::vmm {

// A file of the broker as bulk work sees it.
struct BulkFile {
  IoFile io;
  std::uint32_t key = 0;       // tells files apart; unique within the broker
  bool stable = false;         // this run does not write it: what was read of it may be kept
  TargetWork* work = nullptr;  // targets: what was written where
  std::atomic<bool>* shares = nullptr;  // targets: whether the last copy shared all blocks
  bool in_memory = false;               // targets: a file of tmpfs
  bool waits = false;  // each request waits for the medium: for what is read, or until it is stored
  FileRuns* runs = nullptr;      // of the file, if it is stable
  InputStream* input = nullptr;  // instead of a file: only what it has at hand can be copied
};

struct BulkCopy {
  BulkFile source;
  BulkFile target;
  std::uint64_t source_offset = 0;
  std::uint64_t target_offset = 0;
  std::uint64_t length = 0;
  std::uint64_t zero_run_bytes =
      0;                      // not 0: units of so many zeros, from the start on, are skipped
  bool share_blocks = false;  // the target need not have storage of its own
  // What is copied after this, to the same target, if that is known and as simple.
  const BulkCopy* next = nullptr;
};

class BulkWorker {
 public:
  static constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
  // Largest zero unit.
  static constexpr std::size_t kStagingBytes = std::size_t{2} << 20;

  // `maps`: other workers write to the same files at the same time, so this one maps what it can.
  explicit BulkWorker(const WorkMeter& meter, bool maps = false) : meter_(meter), maps_(maps) {}

  IoResult Copy(const BulkCopy& copy);
  // To be called before all of a range of a target is written otherwise: gets storage for it, where
  // that makes writing faster. The file has its length already, else nothing is done.
  void Prepare(const BulkFile& target, std::uint64_t offset, std::uint64_t length);
  IoResult Zero(const BulkFile& target, std::uint64_t offset, std::uint64_t length);
  // Storage for a stretch at the end of the file that reads as zeros: reserved, or written.
  IoResult Extend(const BulkFile& target, std::uint64_t offset, std::uint64_t length, bool write);
  // Zeros at the end of a stream, until it has `length` bytes.
  IoResult Append(const BulkFile& target, std::uint64_t length);
  IoResult Discard(const BulkFile& target, std::uint64_t offset, std::uint64_t length);

  // Starts a scan: what an earlier one kept is forgotten.
  void BeginScan() { cache_.Clear(); }
  // Appends one bit for each `unit` (the last may be short) of the range: whether it is all zeros.
  IoResult Scan(const BulkFile& file, std::uint64_t offset, std::uint64_t length,
                std::uint64_t unit, BitWriter& bits);

  // Sets `difference` to the index within the ranges of the first byte that differs.
  IoResult Compare(const BulkFile& a, std::uint64_t offset_a, const BulkFile& b,
                   std::uint64_t offset_b, std::uint64_t length,
                   std::optional<std::uint64_t>& difference);

 private:
  IoResult WriteBytes(const BulkCopy& copy, std::uint64_t into, std::span<const std::byte> bytes);
  // Writes `bytes`, a piece of what is copied from `into` on, at the rate that the user set.
  IoResult WritePiece(const BulkCopy& copy, std::uint64_t into, std::span<const std::byte> bytes);
  // How much to copy at once, of what remains.
  [[nodiscard]] std::size_t PieceBytes(const BulkCopy& copy, std::uint64_t target_offset,
                                       std::uint64_t remaining) const;
  [[nodiscard]] bool MapsLarge(const BulkFile& target) const;
  // Whether `offset` to `end` is the rest of a large page and most of it, of which this worker has
  // written whatever there is before.
  [[nodiscard]] bool EndsLarge(const BulkFile& target, std::uint64_t offset,
                               std::uint64_t end) const;
  // Whether `length` bytes at `offset` are the end of the copy and the beginning of a large page
  // that the next copy fills up, but for a page at most between them.
  [[nodiscard]] bool BeginsLarge(const BulkCopy& copy, std::uint64_t offset,
                                 std::uint64_t length) const;
  // Makes such a place, where the rest of the copy from `into` on goes, one large page if nothing
  // in it is left out. With zero units the staging buffer begins with that rest.
  void JoinNext(const BulkCopy& copy, std::uint64_t into);
  // How much of the copy from its start on lies in a large page that was made for it.
  std::uint64_t TakeJoined(const BulkCopy& copy);
  void NoteWritten(const BulkFile& target, std::uint64_t offset, std::uint64_t length);
  // A copy to `offset` begins: a page or less that is left out before it is taken for metadata
  // between clusters, which will be written, too. In a large page there is one such place at most.
  void Bridge(const BulkFile& target, std::uint64_t offset);
  // Copies without the lock of the target, if this worker does and it is possible.
  bool MapPiece(const BulkCopy& copy, std::uint64_t into, std::uint64_t length);
  // Makes the target at least `end` bytes long; what lies before is about to be written.
  bool ReachTo(const BulkCopy& copy, std::uint64_t end);
  IoResult WriteNonZero(const BulkCopy& copy, std::uint64_t into, std::span<const std::byte> bytes);
  IoResult CopyPiece(const BulkCopy& copy);
  IoResult CopyToStream(const BulkCopy& copy);
  bool ProbeForData(const BulkFile& file, std::uint64_t offset);
  std::uint64_t ShareBlocks(const BulkCopy& copy, std::uint64_t from);
  template <typename Work>
  IoResult InPieces(const BulkFile& target, std::uint64_t offset, std::uint64_t length, Work work);

  WorkMeter meter_;
  const bool maps_;
  StagingBuffer staging_{kStagingBytes};
  ScanCache cache_;
  RunMemory runs_;
  HeadProbe probe_;
  BlockSharing sharing_;
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

#endif  // LIBINSTAR_VMM_SRC_IO_BULK_WORKER_H_
