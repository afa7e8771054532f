// Collects small metadata writes and hands them to the device together.
//
// With small clusters a fresh image has an L2 table every few dozen KiB of data; in the sandbox
// each write costs a trip to the host. A batch makes that one trip per quarter MiB of metadata.
#ifndef FORMATS_QCOW2_WRITE_WRITE_BATCH_H_
#define FORMATS_QCOW2_WRITE_WRITE_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"

namespace instar::qcow2 {

class WriteBatch {
 public:
  static constexpr std::size_t kMaxBytes = 256 * 1024;
  static constexpr std::size_t kMaxPieces = 256;

  // `device` must outlive the batch.
  explicit WriteBatch(BlockDevice& device) : device_(&device) {}

  // Takes a copy of `data` for offset `offset`. Writes of one batch must not overlap.
  Status Add(std::uint64_t offset, std::span<const std::byte> data);

  // Writes what was collected.
  Status Flush();

 private:
  struct Entry {
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
  };

  BlockDevice* device_;
  std::vector<Entry> entries_;
  std::vector<std::byte> bytes_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_WRITE_WRITE_BATCH_H_
