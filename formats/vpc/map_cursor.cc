#include "formats/vpc/map_cursor.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::vpc {
namespace {

constexpr std::size_t kTableWindowBytes = 64 << 10;
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
      bits_(device, BitOrder::kHighestFirst) {}

Result<Extent> BlockCursor::InBlock(std::uint64_t offset, std::uint64_t max_length,
                                    std::uint32_t entry) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t block_offset, layout_.BlockOffset(entry));
  const std::uint64_t in_block = offset % layout_.dynamic.block_bytes;
  const std::uint64_t length = std::min(max_length, layout_.dynamic.block_bytes - in_block);
  if (layout_.footer.type == DiskType::kDifferencing) {
    const std::uint64_t first = in_block / kSectorBytes;
    const std::uint64_t skip = in_block % kSectorBytes;
    const SectorBits::Bitmap bitmap{.index = offset / layout_.dynamic.block_bytes,
                                    .offset = block_offset,
                                    .bytes = layout_.dynamic.bitmap_bytes()};
    INSTAR_ASSIGN_OR_RETURN(
        const SectorBits::Run run,
        bits_.RunAt(bitmap, first, DivideRoundUp(in_block + length, kSectorBytes)));
    Extent extent{.length_bytes = std::min(run.sectors * kSectorBytes - skip, length)};
    if (run.here) {
      extent.kind = ExtentKind::kData;
      extent.device = device_.id();
      extent.file_offset = block_offset + layout_.dynamic.bitmap_bytes() + in_block;
    }
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
