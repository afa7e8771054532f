// Writes the block allocation table of a fresh VHDX in one ascending pass, in pieces: a 64 TiB disk
// of small blocks has a table of 512 MiB.
#ifndef FORMATS_VHDX_BAT_WRITER_H_
#define FORMATS_VHDX_BAT_WRITER_H_

#include <cstdint>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/vhdx/bat.h"

namespace instar::vhdx {

class BatWriter {
 public:
  // A table at `table_offset` of `device`, which must outlive this. Blocks that are not placed get
  // the state `unplaced`.
  BatWriter(TargetDevice& device, std::uint64_t table_offset, const BatLayout& layout,
            BlockState unplaced)
      : device_(&device), table_offset_(table_offset), layout_(layout), unplaced_(unplaced) {}

  // Block `block`, higher than any before, is fully present at `offset`.
  Status Place(std::uint64_t block, std::uint64_t offset);

  // Writes what is left of the table.
  Status Finish();

 private:
  // Gives the blocks up to `block` that were not placed their entries.
  Status FillUntil(std::uint64_t block);
  Status Append(std::uint64_t block, BatEntry entry);
  Status Flush();

  TargetDevice* device_;
  std::uint64_t table_offset_;
  BatLayout layout_;
  BlockState unplaced_;
  std::uint64_t next_block_ = 0;
  std::uint64_t buffer_entry_ = 0;  // index in the table of the buffer's first entry
  std::vector<std::byte> buffer_;
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_BAT_WRITER_H_
