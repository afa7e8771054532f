#include "formats/base/block_image_editor.h"

#include <algorithm>

#include "formats/base/checked.h"

namespace instar {
namespace {

constexpr std::uint64_t kMaxUnitBytes = 2 << 20;

class NullFindingSink final : public FindingSink {
 public:
  void Add(const Finding&) override {}
};

}  // namespace

Status CheckSound(Result<CheckCounts> (*check)(const CheckOptions&), const BlockDevice& device,
                  const ImageReader* reader) {
  NullFindingSink findings;
  INSTAR_ASSIGN_OR_RETURN(const CheckCounts counts,
                          check({.device = &device, .reader = reader, .findings = &findings}));
  const std::uint64_t errors = counts.corruptions + counts.check_errors;
  if (errors == 0) return {};
  return Corrupt("the image has {0} errors, so nothing is written into it; check tells them",
                 errors);
}

Status BlockImageEditor::CheckSizes(const Geometry& geometry) {
  if (geometry.disk_bytes < geometry.source_bytes) {
    return MakeError(ErrorCode::kNoSpace,
                     "the target disk has {0} bytes, but {1} are to be written",
                     geometry.disk_bytes, geometry.source_bytes);
  }
  if (geometry.has_parent && geometry.source_bytes != geometry.disk_bytes &&
      geometry.source_bytes % geometry.block_bytes != 0) {
    return Unsupported(
        "what is written ends at {0}, within a block of {1} bytes that the parent may fill up",
        geometry.source_bytes, geometry.block_bytes);
  }
  return {};
}

std::uint64_t BlockImageEditor::unit_bytes() const {
  return std::min(geometry_.block_bytes, kMaxUnitBytes);
}

Status BlockImageEditor::CheckRange(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckOnDisk(offset, length, geometry_.disk_bytes));
  if (offset < placed_bytes_) {
    return InvalidArgument("offset {0} lies before data already placed (up to {1})", offset,
                           placed_bytes_);
  }
  return {};
}

Status BlockImageEditor::Look(std::uint64_t block) {
  if (block == open_block_) return {};
  INSTAR_ASSIGN_OR_RETURN(open_, Find(block));
  open_block_ = block;
  return {};
}

Status BlockImageEditor::Provide(std::uint64_t block, bool all_written) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t offset, Allocate(block));
  open_ = {.kind = Block::Kind::kStored, .file_offset = offset};
  if (all_written) return {};
  return target_->Zero(offset, geometry_.block_bytes);
}

Result<Placement> BlockImageEditor::PlaceData(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckRange(offset, length));
  const std::uint64_t block = offset / geometry_.block_bytes;
  const std::uint64_t in_block = offset % geometry_.block_bytes;
  length = std::min(length, geometry_.block_bytes - in_block);
  INSTAR_TRY(Look(block));
  if (open_.kind != Block::Kind::kStored) {
    INSTAR_TRY(Provide(block, length == geometry_.block_bytes));
  }
  placed_bytes_ = offset + length;
  return Placement{
      .device = target_->id(), .file_offset = open_.file_offset + in_block, .length_bytes = length};
}

Status BlockImageEditor::PlaceZero(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckRange(offset, length));
  placed_bytes_ = offset + length;
  // Blocks that follow one another in the file are made zero at once.
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;
  while (length != 0) {
    const std::uint64_t block = offset / geometry_.block_bytes;
    const std::uint64_t in_block = offset % geometry_.block_bytes;
    const std::uint64_t part = std::min(length, geometry_.block_bytes - in_block);
    INSTAR_TRY(Look(block));
    if (open_.kind == Block::Kind::kStored) {
      const std::uint64_t at = open_.file_offset + in_block;
      if (at != start + bytes) {
        INSTAR_TRY(target_->Zero(start, bytes));
        start = at;
        bytes = 0;
      }
      bytes += part;
    } else if (open_.kind == Block::Kind::kMissing && geometry_.has_parent) {
      INSTAR_TRY(Provide(block, false));
    }
    offset += part;
    length -= part;
  }
  return target_->Zero(start, bytes);
}

}  // namespace instar
