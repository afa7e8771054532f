// Walks the block allocation table and, in a differencing disk, the sector bitmap blocks.
#ifndef FORMATS_VHDX_MAP_CURSOR_H_
#define FORMATS_VHDX_MAP_CURSOR_H_

#include <cstdint>

#include "formats/base/image_reader.h"
#include "formats/base/read_window.h"
#include "formats/base/sector_bits.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/vhdx/image.h"

namespace instar::vhdx {

// `image` must outlive the cursor.
class Cursor final : public MapCursor {
 public:
  explicit Cursor(const Image& image);
  Result<Extent> Next(std::uint64_t offset, std::uint64_t max_length) override;

 private:
  Result<BatEntry> EntryAt(std::uint64_t index);
  // How many blocks from `block` on, which is not there, are known not to be there; at least 1.
  Result<std::uint64_t> AbsentBlocks(std::uint64_t block);
  // What one block says from `offset` on, to its end or less.
  Result<Extent> InBlock(std::uint64_t offset);
  Result<Extent> InPartialBlock(std::uint64_t offset, std::uint64_t length,
                                std::uint64_t file_offset);

  const Image& image_;
  ReadWindow table_;
  SectorBits bits_;
  TableReuseLimit holes_;     // in the block allocation table
  std::uint64_t absent_ = 0;  // entries that were met of blocks that are not there
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_MAP_CURSOR_H_
