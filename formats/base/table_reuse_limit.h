// Bounds what a walk over a disk comes by to what its file stores. In an honest image every table
// stands in the file once. A hostile one can name the same table for many places of the disk, or
// tables in the holes of a file that is as long as it likes to be, and so describe in a few KiB
// more than anybody can walk through.
//
// A walk may come by some tables freely, and by more for each byte of data of the file
// (stored_bytes.h). An image of 64 TiB whose tables are data never reaches that. If it is reached,
// the tables may stand in holes, as they do after a hole was punched wherever a file has zeros. So
// from then on the walk looks for holes: what lies in one is zeros, need not be read and does not
// count. Only where that is not enough either the walk ends with an error.
//
// It costs an ordinary image nothing but the count: the file is asked for its data once the free
// bytes are used up, and one run of data mostly suffices.
#ifndef FORMATS_BASE_TABLE_REUSE_LIMIT_H_
#define FORMATS_BASE_TABLE_REUSE_LIMIT_H_

#include <cstdint>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/run_cache.h"
#include "formats/base/stored_bytes.h"

namespace instar {

struct TableAllowance {
  std::uint64_t free_bytes = 1 << 20;
  std::uint64_t per_stored_byte = 1;
};

// Of a check, which goes through tables once for each part of the file that it counts at a time and
// for each snapshot: an image of 64 TiB takes 60 parts.
inline constexpr TableAllowance kCheckAllowance{.free_bytes = 32 << 20, .per_stored_byte = 128};

class TableReuseLimit {
 public:
  // `device`, which holds the tables, must outlive this.
  explicit TableReuseLimit(const BlockDevice& device, const TableAllowance& allowance = {})
      : device_(&device), allowance_(allowance), allowed_(allowance.free_bytes) {}

  // The walk is at the `index`th of the tables, or pieces of tables: `bytes` bytes at `offset` of
  // the file. It counts when it is first come to; to go back starts anew. True: it lies in a hole,
  // so all of it is zeros. kLimit: all that it came by since then is more than is allowed; kIo.
  Result<bool> Visit(std::uint64_t index, std::uint64_t offset, std::uint64_t bytes);
  // The same for walks that come to nothing twice without reason: every visit counts.
  Result<bool> Visit(std::uint64_t offset, std::uint64_t bytes);
  // Counts `bytes` for work that does not depend on where something stands. kLimit, kIo.
  Status Charge(std::uint64_t bytes);

  // Looks for holes from now on, whatever was counted.
  void LookForHoles() { looks_for_holes_ = true; }
  [[nodiscard]] bool looks_for_holes() const { return looks_for_holes_; }
  // Forgets what was counted: another walk begins.
  void Restart() { walked_ = 0; }

  // The run of data or hole at `offset`, at most `max_length` (not 0) bytes of it. What lies beyond
  // the end of the file is a hole. kIo.
  Result<FileRun> RunAt(std::uint64_t offset, std::uint64_t max_length);

 private:
  // Of `bytes` at `offset`, how many are data.
  Result<std::uint64_t> DataBytes(std::uint64_t offset, std::uint64_t bytes);
  // Whether `walked` bytes are allowed.
  Result<bool> Allows(std::uint64_t walked);
  Status Count(std::uint64_t bytes);
  bool BeginsToLook(const Status& counted);
  [[nodiscard]] std::unexpected<Error> TooMuch(std::uint64_t walked) const;

  const BlockDevice* device_;
  TableAllowance allowance_;
  std::uint64_t allowed_;
  std::uint64_t walked_ = 0;
  std::uint64_t last_ = UINT64_MAX;
  bool looks_for_holes_ = false;
  StoredBytes stored_;
  RunCache runs_;
};

}  // namespace instar

#endif  // FORMATS_BASE_TABLE_REUSE_LIMIT_H_
