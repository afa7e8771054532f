// Where things stand in a dynamic VHD that we write, one after another: copy of the footer, header,
// block allocation table, blocks, footer. Data start at multiples of 4 KiB, so that they can be
// moved and left out by whole pages; the sector bitmap of a block stands right before them.
#ifndef FORMATS_VPC_DYNAMIC_LAYOUT_H_
#define FORMATS_VPC_DYNAMIC_LAYOUT_H_

#include <cstdint>

#include "formats/base/checked.h"
#include "formats/vpc/dynamic_header.h"

namespace instar::vpc {

struct DynamicLayout {
  static constexpr std::uint64_t kBlockBytes = kDefaultBlockBytes;
  static constexpr std::uint64_t kHeaderOffset = Footer::kBytes;
  static constexpr std::uint64_t kTableOffset = kHeaderOffset + DynamicHeader::kBytes;
  static constexpr std::uint64_t kPageBytes = 4096;

  std::uint64_t virtual_bytes = 0;

  [[nodiscard]] std::uint64_t blocks() const { return DivideRoundUp(virtual_bytes, kBlockBytes); }
  [[nodiscard]] std::uint64_t table_bytes() const {
    return DivideRoundUp(blocks() * kBatEntryBytes, kSectorBytes) * kSectorBytes;
  }
  [[nodiscard]] DynamicHeader header() const {
    return {.table_offset = kTableOffset, .table_entries = static_cast<std::uint32_t>(blocks())};
  }
  // Of the data of the block that is the `index`th in the file.
  [[nodiscard]] std::uint64_t DataOffset(std::uint64_t index) const {
    const std::uint64_t bitmap_bytes = header().bitmap_bytes();
    const std::uint64_t first =
        DivideRoundUp(kTableOffset + table_bytes() + bitmap_bytes, kPageBytes);
    const std::uint64_t each = DivideRoundUp(bitmap_bytes + kBlockBytes, kPageBytes);
    return (first + index * each) * kPageBytes;
  }
  // Of the footer behind `blocks` blocks.
  [[nodiscard]] std::uint64_t FooterOffset(std::uint64_t blocks) const {
    return blocks == 0 ? kTableOffset + table_bytes() : DataOffset(blocks - 1) + kBlockBytes;
  }
};

}  // namespace instar::vpc

#endif  // FORMATS_VPC_DYNAMIC_LAYOUT_H_
