#include "formats/vhdx/map_cursor.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::vhdx {
namespace {

constexpr std::size_t kTableWindowBytes = 64 << 10;
constexpr std::size_t kBitmapWindowBytes = 16 << 10;
// Blocks that one call looks at: a bound on the time of a call, not of the disk.
constexpr std::uint64_t kMaxBlocksPerExtent = 1 << 20;

bool Continues(const Extent& extent, const Extent& next) {
  if (extent.kind != next.kind) return false;
  return extent.kind != ExtentKind::kData ||
         extent.file_offset + extent.length_bytes == next.file_offset;
}

}  // namespace

Cursor::Cursor(const Image& image)
    : image_(image),
      table_(*image.file, kTableWindowBytes),
      bitmap_(*image.file, kBitmapWindowBytes),
      meter_(image.file->size_bytes()) {}

Result<BatEntry> Cursor::EntryAt(std::uint64_t index) {
  const std::uint64_t left = (image_.bat.entries() - index) * kBatEntryBytes;
  INSTAR_ASSIGN_OR_RETURN(const auto bytes,
                          table_.View(image_.BatEntryOffset(index), kBatEntryBytes,
                                      std::min<std::uint64_t>(left, kTableWindowBytes)));
  return BatEntry::Decode(LoadLe64(bytes, 0));
}

Result<Extent> Cursor::InPartialBlock(std::uint64_t offset, std::uint64_t length,
                                      std::uint64_t file_offset) {
  const BatLayout& bat = image_.bat;
  INSTAR_ASSIGN_OR_RETURN(const BatEntry bitmap,
                          EntryAt(bat.BitmapEntry(offset / bat.block_bytes)));
  if (bitmap.state != static_cast<std::uint8_t>(BlockState::kFullyPresent)) {
    return Corrupt("a block at virtual offset {0x} is partly there, but has no sector bitmap",
                   offset);
  }
  INSTAR_TRY(image_.CheckBlock(bitmap.offset, kSectorBitmapBytes));
  const std::uint64_t sector_bytes = bat.logical_sector_bytes;
  const std::uint64_t chunk_bytes = bat.chunk_ratio() * bat.block_bytes;
  INSTAR_TRY(meter_.Visit(offset / chunk_bytes, kSectorBitmapBytes));
  const std::uint64_t first = offset % chunk_bytes / sector_bytes;
  const std::uint64_t end = DivideRoundUp(offset % chunk_bytes + length, sector_bytes);
  // Bit 0 of byte 0 is the first sector's.
  const auto is_here = [&](std::uint64_t sector) -> Result<bool> {
    const std::uint64_t at = sector / 8;
    INSTAR_ASSIGN_OR_RETURN(
        const auto byte,
        bitmap_.View(bitmap.offset + at, 1,
                     std::min<std::uint64_t>(kBitmapWindowBytes, kSectorBitmapBytes - at)));
    return (static_cast<unsigned>(byte[0]) >> (sector % 8) & 1) != 0;
  };
  INSTAR_ASSIGN_OR_RETURN(const bool here, is_here(first));
  std::uint64_t sector = first + 1;
  for (; sector < end; ++sector) {
    INSTAR_ASSIGN_OR_RETURN(const bool next, is_here(sector));
    if (next != here) break;
  }
  Extent extent{.length_bytes = std::min(length, sector * sector_bytes - offset % chunk_bytes)};
  if (here) {
    extent.kind = ExtentKind::kData;
    extent.device = image_.file->id();
    extent.file_offset = file_offset;
  }
  return extent;
}

Result<Extent> Cursor::InBlock(std::uint64_t offset) {
  const BatLayout& bat = image_.bat;
  const std::uint64_t block = offset / bat.block_bytes;
  const std::uint64_t in_block = offset % bat.block_bytes;
  const std::uint64_t length = std::min(bat.block_bytes - in_block, bat.virtual_bytes - offset);
  INSTAR_ASSIGN_OR_RETURN(const BatEntry entry, EntryAt(bat.PayloadEntry(block)));
  switch (BlockState{entry.state}) {
    case BlockState::kNotPresent:
      // Only what has a parent leaves anything open.
      return Extent{.kind = bat.has_parent ? ExtentKind::kUnallocated : ExtentKind::kZero,
                    .length_bytes = length};
    case BlockState::kUndefined:
    case BlockState::kZero:
    case BlockState::kUnmapped:
      return Extent{.kind = ExtentKind::kZero, .length_bytes = length};
    case BlockState::kFullyPresent:
    case BlockState::kPartiallyPresent:
      break;
    default:
      return Corrupt("block {0} of the disk has the state {1}, which is not defined", block,
                     entry.state);
  }
  INSTAR_TRY(image_.CheckBlock(entry.offset, bat.block_bytes));
  if (image_.file->Changes(entry.offset, bat.block_bytes)) {
    return Unsupported("the log changes data of the disk, in the block at {0x}", entry.offset);
  }
  if (BlockState{entry.state} == BlockState::kPartiallyPresent) {
    if (!bat.has_parent) {
      return Corrupt("block {0} is partly there, but the disk has no parent", block);
    }
    return InPartialBlock(offset, length, entry.offset + in_block);
  }
  return Extent{.kind = ExtentKind::kData,
                .length_bytes = length,
                .device = image_.file->id(),
                .file_offset = entry.offset + in_block};
}

Result<Extent> Cursor::Next(std::uint64_t offset, std::uint64_t max_length) {
  const std::uint64_t virtual_bytes = image_.bat.virtual_bytes;
  if (offset >= virtual_bytes || max_length == 0) {
    return InvalidArgument("virtual offset {0x} is not below the virtual size {1x}", offset,
                           virtual_bytes);
  }
  const std::uint64_t wanted = std::min(max_length, virtual_bytes - offset);
  INSTAR_ASSIGN_OR_RETURN(Extent extent, InBlock(offset));
  for (std::uint64_t blocks = 1; blocks < kMaxBlocksPerExtent && extent.length_bytes < wanted;
       ++blocks) {
    // What was found so far is good; who asks for the rest gets the error.
    const auto next = InBlock(offset + extent.length_bytes);
    if (!next || !Continues(extent, *next)) break;
    extent.length_bytes += next->length_bytes;
  }
  extent.length_bytes = std::min(extent.length_bytes, wanted);
  return extent;
}

}  // namespace instar::vhdx
