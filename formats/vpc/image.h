// A VHD as it was found in a file: the footer that counts, the dynamic header, and where blocks may
// lie. What the reader and the checker start from.
#ifndef FORMATS_VPC_IMAGE_H_
#define FORMATS_VPC_IMAGE_H_

#include <cstdint>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/vpc/dynamic_header.h"
#include "formats/vpc/footer.h"

namespace instar::vpc {

struct Layout {
  Footer footer;
  DynamicHeader dynamic;       // not of a fixed disk
  std::uint64_t data_end = 0;  // file offset at which data ends: the footer's, or the file's end
  std::uint64_t virtual_bytes = 0;

  // The footer at the end of the file counts: in a fixed disk the first sector is the guest's, who
  // could write a forged header there. The copy at the start counts where there is no valid footer
  // at the end (a file that was cut off). kCorrupt, kUnsupported, kLimit, kIo.
  static Result<Layout> ReadFrom(const BlockDevice& device);

  [[nodiscard]] bool is_fixed() const { return footer.type == DiskType::kFixed; }
  [[nodiscard]] std::uint64_t blocks() const {
    return DivideRoundUp(virtual_bytes, dynamic.block_bytes);
  }

  // Where the bitmap of the block with BAT entry `entry` (not kUnusedEntry) stands; its data
  // follow. kCorrupt if it is not within the file or lies on the headers or the table.
  [[nodiscard]] Result<std::uint64_t> BlockOffset(std::uint32_t entry) const;
};

}  // namespace instar::vpc

#endif  // FORMATS_VPC_IMAGE_H_
