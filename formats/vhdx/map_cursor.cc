#include "formats/vhdx/map_cursor.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::vhdx {
namespace {

constexpr std::size_t kTableWindowBytes = 64 << 10;
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
      bits_(*image.file, BitOrder::kLowestFirst),
      holes_(*image.file) {}

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
  const std::uint64_t in_chunk = offset % chunk_bytes;
  INSTAR_ASSIGN_OR_RETURN(
      const SectorBits::Run run,
      bits_.RunAt(
          {.index = offset / chunk_bytes, .offset = bitmap.offset, .bytes = kSectorBitmapBytes},
          in_chunk / sector_bytes, DivideRoundUp(in_chunk + length, sector_bytes)));
  Extent extent{.length_bytes =
                    std::min(length, run.sectors * sector_bytes - in_chunk % sector_bytes)};
  if (run.here) {
    extent.kind = ExtentKind::kData;
    extent.device = image_.file->id();
    extent.file_offset = file_offset;
  }
  return extent;
}

// A table that was never written is one hole: its entries are zeros, and need not be read.
Result<std::uint64_t> Cursor::AbsentBlocks(std::uint64_t block) {
  constexpr std::uint64_t kManyAbsent = 1 << 16;
  if (++absent_ < kManyAbsent) return 1;
  const BatLayout& bat = image_.bat;
  const std::uint64_t entry = bat.PayloadEntry(block);
  INSTAR_ASSIGN_OR_RETURN(
      const FileRun run,
      holes_.RunAt(image_.BatEntryOffset(entry), (bat.entries() - entry) * kBatEntryBytes));
  const std::uint64_t entries = run.length_bytes / kBatEntryBytes;
  if (!run.hole || entries == 0) return 1;
  // The last block whose entry lies in the hole too; between them stand entries of bitmaps.
  const std::uint64_t last = entry + entries - 1;
  const std::uint64_t end = std::min(last - last / (bat.chunk_ratio() + 1) + 1, bat.blocks());
  return std::max(end, block + 1) - block;
}

Result<Extent> Cursor::InBlock(std::uint64_t offset) {
  const BatLayout& bat = image_.bat;
  const std::uint64_t block = offset / bat.block_bytes;
  const std::uint64_t in_block = offset % bat.block_bytes;
  const std::uint64_t length = std::min(bat.block_bytes - in_block, bat.virtual_bytes - offset);
  INSTAR_ASSIGN_OR_RETURN(const BatEntry entry, EntryAt(bat.PayloadEntry(block)));
  switch (BlockState{entry.state}) {
    case BlockState::kNotPresent: {
      INSTAR_ASSIGN_OR_RETURN(const std::uint64_t blocks, AbsentBlocks(block));
      const std::uint64_t end = std::min((block + blocks) * bat.block_bytes, bat.virtual_bytes);
      // Only what has a parent leaves anything open.
      return Extent{.kind = bat.has_parent ? ExtentKind::kUnallocated : ExtentKind::kZero,
                    .length_bytes = end - offset};
    }
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
