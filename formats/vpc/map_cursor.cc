#include "formats/vpc/map_cursor.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::vpc {
namespace {

constexpr std::size_t kTableWindowBytes = 64 << 10;
constexpr std::size_t kBitmapWindowBytes = 4 << 10;
// Of the table one call looks through: a bound on the time of a call, not of the disk.
constexpr std::uint64_t kMaxEntriesPerExtent = 1 << 20;

}  // namespace

Result<Extent> FixedCursor::Next(std::uint64_t offset, std::uint64_t max_length) {
  if (offset >= layout_.virtual_bytes || max_length == 0) {
    return InvalidArgument("virtual offset {0x} is not below the virtual size {1x}", offset,
                           layout_.virtual_bytes);
  }
  const std::uint64_t wanted = std::min(max_length, layout_.virtual_bytes - offset);
  INSTAR_ASSIGN_OR_RETURN(const FileRun run, runs_.At(device_, offset, wanted));
  Extent extent{.kind = run.hole ? ExtentKind::kZero : ExtentKind::kData,
                .length_bytes = run.length_bytes,
                .device = device_.id(),
                .file_offset = offset};
  extent.has_offset = run.hole;
  return extent;
}

BlockCursor::BlockCursor(const BlockDevice& device, const Layout& layout)
    : device_(device),
      layout_(layout),
      table_(device, kTableWindowBytes),
      bitmap_(device, kBitmapWindowBytes),
      meter_(device.size_bytes()) {}

Result<Extent> BlockCursor::InBitmap(std::uint64_t block_offset, std::uint64_t sector,
                                     std::uint64_t end) {
  const auto is_here = [&](std::uint64_t at) -> Result<bool> {
    // Looked through from the start of the bitmap or of the window before it, forward.
    INSTAR_ASSIGN_OR_RETURN(
        const auto byte,
        bitmap_.View(
            block_offset + at / 8, 1,
            std::min<std::uint64_t>(kBitmapWindowBytes, layout_.dynamic.bitmap_bytes() - at / 8)));
    return (static_cast<unsigned>(byte[0]) >> (7 - at % 8) & 1) != 0;
  };
  INSTAR_ASSIGN_OR_RETURN(const bool here, is_here(sector));
  std::uint64_t at = sector + 1;
  for (; at < end; ++at) {
    INSTAR_ASSIGN_OR_RETURN(const bool next, is_here(at));
    if (next != here) break;
  }
  Extent extent{.length_bytes = (at - sector) * kSectorBytes};
  if (here) {
    extent.kind = ExtentKind::kData;
    extent.device = device_.id();
    extent.file_offset = block_offset + layout_.dynamic.bitmap_bytes() + sector * kSectorBytes;
  }
  return extent;
}

Result<Extent> BlockCursor::InBlock(std::uint64_t offset, std::uint64_t max_length,
                                    std::uint32_t entry) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t block_offset, layout_.BlockOffset(entry));
  const std::uint64_t in_block = offset % layout_.dynamic.block_bytes;
  const std::uint64_t length = std::min(max_length, layout_.dynamic.block_bytes - in_block);
  if (layout_.footer.type == DiskType::kDifferencing) {
    const std::uint64_t first = in_block / kSectorBytes;
    const std::uint64_t skip = in_block % kSectorBytes;
    INSTAR_TRY(meter_.Visit(offset / layout_.dynamic.block_bytes, layout_.dynamic.bitmap_bytes()));
    INSTAR_ASSIGN_OR_RETURN(
        Extent extent,
        InBitmap(block_offset, first, DivideRoundUp(in_block + length, kSectorBytes)));
    if (extent.kind == ExtentKind::kData) extent.file_offset += skip;
    extent.length_bytes = std::min(extent.length_bytes - skip, length);
    return extent;
  }
  return Extent{.kind = ExtentKind::kData,
                .length_bytes = length,
                .device = device_.id(),
                .file_offset = block_offset + layout_.dynamic.bitmap_bytes() + in_block};
}

Result<Extent> BlockCursor::Next(std::uint64_t offset, std::uint64_t max_length) {
  if (offset >= layout_.virtual_bytes || max_length == 0) {
    return InvalidArgument("virtual offset {0x} is not below the virtual size {1x}", offset,
                           layout_.virtual_bytes);
  }
  const std::uint64_t wanted = std::min(max_length, layout_.virtual_bytes - offset);
  const std::uint64_t block_bytes = layout_.dynamic.block_bytes;
  const std::uint64_t blocks = layout_.blocks();
  const std::uint64_t first = offset / block_bytes;
  std::uint64_t block = first;
  while (block < blocks && block - first < kMaxEntriesPerExtent &&
         block * block_bytes < offset + wanted) {
    const std::uint64_t at = layout_.dynamic.table_offset + block * kBatEntryBytes;
    const std::uint64_t left = (blocks - block) * kBatEntryBytes;
    const auto bytes =
        table_.View(at, kBatEntryBytes, std::min<std::uint64_t>(left, kTableWindowBytes));
    if (!bytes) {
      if (block != first) break;
      return std::unexpected(bytes.error());
    }
    const std::uint32_t entry = LoadBe32(*bytes, 0);
    if (entry != kUnusedEntry) {
      if (block != first) break;
      return InBlock(offset, wanted, entry);
    }
    ++block;
  }
  // Only what has a parent leaves anything open.
  return Extent{.kind = layout_.footer.type == DiskType::kDifferencing ? ExtentKind::kUnallocated
                                                                       : ExtentKind::kZero,
                .length_bytes = std::min(wanted, block * block_bytes - offset)};
}

}  // namespace instar::vpc
