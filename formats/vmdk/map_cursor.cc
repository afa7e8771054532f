#include "formats/vmdk/map_cursor.h"

#include <algorithm>

namespace instar::vmdk {
namespace {

// Of a file that holds the bytes as they are; `offset` counts from the start of the extent.
Result<Extent> NextOfFlat(const DiskExtent& extent, RunCache& runs, std::uint64_t offset,
                          std::uint64_t max_length) {
  const std::uint64_t file_offset = extent.line.file_sector * kSectorBytes + offset;
  const std::uint64_t file_bytes = extent.device->size_bytes();
  Extent found{.kind = ExtentKind::kData,
               .length_bytes = max_length,
               .device = extent.device->id(),
               .file_offset = file_offset};
  if (file_offset >= file_bytes) {  // never written
    found.kind = ExtentKind::kZero;
    found.has_offset = true;
    return found;
  }
  const std::uint64_t most = std::min(max_length, file_bytes - file_offset);
  INSTAR_ASSIGN_OR_RETURN(const FileRun run, runs.At(*extent.device, file_offset, most));
  found.length_bytes = run.length_bytes;
  if (run.hole) {
    found.kind = ExtentKind::kZero;
    found.has_offset = true;
  }
  return found;
}

}  // namespace

std::size_t ExtentAt(std::span<const DiskExtent> extents, std::uint64_t offset) {
  const auto after =
      std::upper_bound(extents.begin(), extents.end(), offset,
                       [](std::uint64_t at, const DiskExtent& e) { return at < e.end_bytes(); });
  return static_cast<std::size_t>(after - extents.begin());
}

Result<Extent> Cursor::NextOf(const DiskExtent& extent, std::uint64_t offset,
                              std::uint64_t max_length) {
  if (extent.line.access == ExtentAccess::kNone) {
    return Unsupported("the disk from {0x} to {1x} is marked as not accessible", extent.start_bytes,
                       extent.end_bytes());
  }
  const std::uint64_t inside = offset - extent.start_bytes;
  switch (extent.line.type) {
    case ExtentType::kZero:
      return Extent{.kind = ExtentKind::kZero, .length_bytes = max_length};
    case ExtentType::kFlat:
    case ExtentType::kVmfs:
      return NextOfFlat(extent, runs_, inside, max_length);
    case ExtentType::kSparse:
      break;
  }
  if (sparse_of_ != &extent) {
    // What is free for one extent is free for all together.
    TableAllowance allowance;
    allowance.free_bytes =
        std::max<std::uint64_t>(allowance.free_bytes / extents_.size(), 16 << 10);
    sparse_.emplace(*extent.device, extent.header, extent.length_bytes, allowance);
    sparse_of_ = &extent;
  }
  auto found = sparse_->Next(inside, max_length);
  if (!found) return std::unexpected(found.error().On(extent.device->id()));
  if (found->kind == ExtentKind::kCompressed) found->unit_offset += extent.start_bytes;
  return found;
}

Result<Extent> Cursor::Next(std::uint64_t offset, std::uint64_t max_length) {
  const std::size_t index = ExtentAt(extents_, offset);
  if (index == extents_.size() || max_length == 0) {
    return InvalidArgument("virtual offset {0x} is not on the virtual disk", offset);
  }
  const DiskExtent& extent = extents_[index];
  const auto found = NextOf(extent, offset, std::min(max_length, extent.end_bytes() - offset));
  if (!found) return std::unexpected(found.error().On(image_->id()));
  return found;
}

}  // namespace instar::vmdk
