// Bounds what an inspection reads of tables by what the file stores.
//
// An honest image stores each table once. A hostile one points at holes of a sparse file, which
// cost it nothing: an L1 table of 1 MiB names 131,072 L2 tables of 2 MiB, 256 GiB of zeros to look
// through. So a walk may read kFreeBytes, and beyond that as many bytes as the file has data.
#ifndef FORMATS_BASE_TABLE_BUDGET_H_
#define FORMATS_BASE_TABLE_BUDGET_H_

#include <cstdint>
#include <optional>

#include "formats/base/block_device.h"
#include "formats/base/error.h"

namespace instar {

class TableBudget {
 public:
  static constexpr std::uint64_t kFreeBytes = 64 << 20;

  // `device` must outlive it.
  explicit TableBudget(const BlockDevice& device) : device_(device) {}

  // `bytes` more are about to be read. kLimit where that is too much, kIo.
  Status Spend(std::uint64_t bytes);

 private:
  const BlockDevice& device_;
  std::uint64_t spent_ = 0;
  std::optional<std::uint64_t> stored_bytes_;  // counted when it first matters
};

}  // namespace instar

#endif  // FORMATS_BASE_TABLE_BUDGET_H_
