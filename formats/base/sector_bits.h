// The bitmaps of differencing disks (VHD, VHDX): one bit a sector says whether the sector is here
// or the parent's. Finds runs of equal bits a byte at a time, and does not read those in holes of
// the file once the walk looks for holes (table_reuse_limit.h).
#ifndef FORMATS_BASE_SECTOR_BITS_H_
#define FORMATS_BASE_SECTOR_BITS_H_

#include <cstddef>
#include <cstdint>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/read_window.h"
#include "formats/base/table_reuse_limit.h"

namespace instar {

enum class BitOrder : std::uint8_t { kLowestFirst, kHighestFirst };

class SectorBits {
 public:
  // `device` must outlive this.
  SectorBits(const BlockDevice& device, BitOrder order)
      : order_(order), window_(device, kPieceBytes), meter_(device) {}

  struct Bitmap {
    std::uint64_t index = 0;   // of the bitmap on the disk: for the order in which they are met
    std::uint64_t offset = 0;  // in the file
    std::uint64_t bytes = 0;
  };
  struct Run {
    std::uint64_t sectors = 0;  // at least 1
    bool here = false;
  };
  // The run of sectors from `first` on, which is below `end`, that are all here or all the
  // parent's; it ends at `end` at the latest. kLimit where more bitmaps were met than the file can
  // store; kIo.
  Result<Run> RunAt(const Bitmap& bitmap, std::uint64_t first, std::uint64_t end);

 private:
  static constexpr std::size_t kPieceBytes = 16 << 10;

  BitOrder order_;
  ReadWindow window_;
  TableReuseLimit meter_;
};

}  // namespace instar

#endif  // FORMATS_BASE_SECTOR_BITS_H_
