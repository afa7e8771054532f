// Moves, scans and compares bulk data on behalf of one worker; nothing here looks at what the data
// means.
//
// Copying goes through a staging buffer in pieces that fit the second-level cache (kPieceBytes).
// Measured here in the page cache, pieces from 64 KiB to 2 MiB cost the same, 0.55 to 0.65 s of
// processor time per GiB, nearly all of it the kernel's; skipping zeros adds less than the noise.
// Where the file system lets files share blocks, nothing is moved at all (block_sharing.h).
#ifndef LIBINSTAR_VMM_SRC_IO_BULK_WORKER_H_
#define LIBINSTAR_VMM_SRC_IO_BULK_WORKER_H_

#include <cstdint>
#include <optional>
#include <span>

#include "io/bit_writer.h"
#include "io/block_sharing.h"
#include "io/bulk_file.h"
#include "io/file_runs.h"
#include "io/head_probe.h"
#include "io/io_result.h"
#include "io/large_pages.h"
#include "io/scan_cache.h"
#include "io/staging_buffer.h"
#include "io/work_ledger.h"

namespace instar::vmm {

class BulkWorker {
 public:
  static constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
  // Largest zero unit.
  static constexpr std::size_t kStagingBytes = std::size_t{2} << 20;

  // `maps`: other workers write to the same files at the same time, so this one maps what it can.
  explicit BulkWorker(const WorkMeter& meter, bool maps = false) : meter_(meter), large_(maps) {}

  IoResult Copy(const BulkCopy& copy);
  // To be called before all of a range of a target is written otherwise: gets storage for it, where
  // that makes writing faster. The file has its length already, else nothing is done.
  void Prepare(const BulkFile& target, std::uint64_t offset, std::uint64_t length) {
    large_.Prepare(target, offset, length, meter_);
  }
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
  IoResult WriteNonZero(const BulkCopy& copy, std::uint64_t into, std::span<const std::byte> bytes);
  IoResult CopyPiece(const BulkCopy& copy);
  IoResult CopyToStream(const BulkCopy& copy);
  bool ProbeForData(const BulkFile& file, std::uint64_t offset);
  std::uint64_t ShareBlocks(const BulkCopy& copy, std::uint64_t from);
  template <typename Work>
  IoResult InPieces(const BulkFile& target, std::uint64_t offset, std::uint64_t length, Work work);

  WorkMeter meter_;
  StagingBuffer staging_{kStagingBytes};
  ScanCache cache_;
  RunMemory runs_;
  HeadProbe probe_;
  BlockSharing sharing_;
  LargePages large_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_BULK_WORKER_H_
