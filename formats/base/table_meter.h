// Bounds what a walk over a disk comes by to what its file can hold. In an honest image every table
// stands in the file once. A hostile one can name the same table for many places of the disk, and
// so describe in a few MiB more than anybody can walk through.
#ifndef FORMATS_BASE_TABLE_METER_H_
#define FORMATS_BASE_TABLE_METER_H_

#include <cstdint>

#include "formats/base/checked.h"
#include "formats/base/error.h"

namespace instar {

class TableMeter {
 public:
  // Tables that may be come by again all the same; those cut short by the end of the file are
  // counted whole.
  static constexpr std::uint64_t kFreeBytes = 4 << 20;

  explicit TableMeter(std::uint64_t file_bytes)
      : budget_(CheckedAdd(file_bytes, kFreeBytes).value_or(UINT64_MAX)) {}

  // The walk is at the `index`th of the tables, which has `bytes` bytes. To go back starts anew.
  // kLimit: by all tables that it came by since then there are more bytes than the file has.
  Status Visit(std::uint64_t index, std::uint64_t bytes) {
    if (index == last_) return {};
    const std::uint64_t visited =
        index > last_ ? CheckedAdd(visited_, bytes).value_or(UINT64_MAX) : bytes;
    if (visited > budget_) {
      return OverLimit(
          "the disk's tables take {0} bytes up to here, more than the file has: the same tables "
          "are used again and again",
          visited);
    }
    visited_ = visited;
    last_ = index;
    return {};
  }

 private:
  std::uint64_t budget_;
  std::uint64_t visited_ = 0;
  std::uint64_t last_ = UINT64_MAX;
};

}  // namespace instar

#endif  // FORMATS_BASE_TABLE_METER_H_
