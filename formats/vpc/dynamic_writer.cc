#include "formats/vpc/dynamic_writer.h"

#include <algorithm>
#include <array>

#include "formats/base/endian.h"

namespace instar::vpc {
namespace {

constexpr std::size_t kBitmapsAtOnce = 256;

}  // namespace

Status DynamicWriter::Begin() {
  if (target_->fresh_reads_zero()) {
    INSTAR_TRY(target_->Resize(0, Preallocation::kOff));
  } else {
    INSTAR_TRY(target_->Zero(0, DynamicLayout::kTableOffset));
  }
  table_.assign(layout_.table_bytes(), std::byte{0xFF});
  bitmaps_.reserve(kBitmapsAtOnce);
  return {};
}

Status DynamicWriter::WriteBitmaps() {
  const std::vector<std::byte> full(layout_.header().bitmap_bytes(), std::byte{0xFF});
  std::vector<WritePiece> pieces;
  pieces.reserve(bitmaps_.size());
  for (const std::uint64_t offset : bitmaps_) pieces.push_back({.offset = offset, .data = full});
  bitmaps_.clear();
  return target_->WriteAll(pieces);
}

Status DynamicWriter::OpenBlock(std::uint64_t block) {
  if (open_block_ == block) return {};
  if (open_block_ != ~std::uint64_t{0} && block < open_block_) {
    return InvalidArgument("block {0} lies before block {1}, which is already placed", block,
                           open_block_);
  }
  if (bitmaps_.size() == kBitmapsAtOnce) INSTAR_TRY(WriteBitmaps());
  const std::uint64_t data = layout_.DataOffset(taken_);
  const std::uint64_t bitmap = data - layout_.header().bitmap_bytes();
  if (!target_->fresh_reads_zero()) INSTAR_TRY(target_->Zero(data, DynamicLayout::kBlockBytes));
  bitmaps_.push_back(bitmap);
  StoreBe32(table_, block * kBatEntryBytes, static_cast<std::uint32_t>(bitmap / kSectorBytes));
  ++taken_;
  open_block_ = block;
  return {};
}

Result<Placement> DynamicWriter::PlaceData(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckOnDisk(offset, length, options_.virtual_bytes));
  INSTAR_TRY(OpenBlock(offset / DynamicLayout::kBlockBytes));
  const std::uint64_t in_block = offset % DynamicLayout::kBlockBytes;
  return Placement{.device = target_->id(),
                   .file_offset = layout_.DataOffset(taken_ - 1) + in_block,
                   .length_bytes = std::min(length, DynamicLayout::kBlockBytes - in_block)};
}

// What has no place reads as zeros; so does what a placed block was not given.
Status DynamicWriter::PlaceZero(std::uint64_t, std::uint64_t) { return {}; }

std::uint64_t DynamicWriter::FileEnd() const {
  return layout_.FooterOffset(taken_) + Footer::kBytes;
}

Status DynamicWriter::Finish() {
  INSTAR_TRY(WriteBitmaps());
  std::array<std::byte, DynamicHeader::kBytes> header{};
  layout_.header().EncodeTo(header);
  INSTAR_TRY(target_->Write(DynamicLayout::kHeaderOffset, header));
  if (!table_.empty()) INSTAR_TRY(target_->Write(DynamicLayout::kTableOffset, table_));
  if (target_->fresh_reads_zero()) INSTAR_TRY(target_->Resize(FileEnd(), Preallocation::kOff));
  INSTAR_TRY(target_->Flush());

  std::array<std::byte, Footer::kBytes> bytes{};
  Footer footer = options_.MakeFooter();
  footer.data_offset = DynamicLayout::kHeaderOffset;
  footer.EncodeTo(bytes);
  const std::array pieces = {WritePiece{.offset = layout_.FooterOffset(taken_), .data = bytes},
                             WritePiece{.offset = 0, .data = bytes}};
  INSTAR_TRY(target_->WriteAll(pieces));
  return target_->Flush();
}

}  // namespace instar::vpc
