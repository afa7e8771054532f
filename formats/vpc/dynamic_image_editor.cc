#include "formats/vpc/dynamic_image_editor.h"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/vpc/dynamic_layout.h"
#include "formats/vpc/format.h"

namespace instar::vpc {
Result<std::unique_ptr<ImageWriter>> DynamicImageEditor::Create(const Layout& layout,
                                                                TargetDevice& target,
                                                                std::uint64_t source_bytes) {
  if (layout.footer.type == DiskType::kDifferencing) {
    return Unsupported("writing into an existing differencing VHD is not supported");
  }
  const Geometry geometry{.block_bytes = layout.dynamic.block_bytes,
                          .disk_bytes = layout.virtual_bytes,
                          .source_bytes = source_bytes};
  INSTAR_TRY(CheckSizes(geometry));
  INSTAR_TRY(CheckSound(Check, target));
  return std::unique_ptr<ImageWriter>(new DynamicImageEditor(layout, target, geometry));
}

DynamicImageEditor::DynamicImageEditor(const Layout& layout, TargetDevice& target,
                                       const Geometry& geometry)
    : BlockImageEditor(target, geometry),
      layout_(layout),
      table_(target),
      end_(DivideRoundUp(layout.data_end, kSectorBytes) * kSectorBytes) {}

Status DynamicImageEditor::Begin() { return {}; }

Result<std::size_t> DynamicImageEditor::SelectEntry(std::uint64_t block) {
  return table_.SelectIn(layout_.dynamic.table_offset, layout_.blocks() * kBatEntryBytes,
                         block * kBatEntryBytes);
}

Status DynamicImageEditor::FillBitmap(std::uint64_t offset) {
  const std::vector<std::byte> full(layout_.dynamic.bitmap_bytes(), std::byte{0xFF});
  return target().Write(offset, full);
}

// Sectors that the bitmap of a stored block does not know show all the same, here and in qemu; for
// those that believe it, it is made to say so before anything is written among them.
Result<BlockImageEditor::Block> DynamicImageEditor::Find(std::uint64_t block) {
  INSTAR_ASSIGN_OR_RETURN(const std::size_t at, SelectEntry(block));
  const std::uint32_t entry = LoadBe32(table_.bytes(), at);
  if (entry == kUnusedEntry) return Block{};
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t offset, layout_.BlockOffset(entry));
  std::vector<std::byte> bitmap(layout_.dynamic.bitmap_bytes());
  INSTAR_TRY(target().Read(offset, bitmap));
  const auto known =
      bitmap.begin() + static_cast<std::ptrdiff_t>(layout_.dynamic.block_bytes / kSectorBytes / 8);
  if (std::any_of(bitmap.begin(), known, [](std::byte b) { return b != std::byte{0xFF}; })) {
    INSTAR_TRY(FillBitmap(offset));
  }
  return Block{.kind = Block::Kind::kStored, .file_offset = offset + bitmap.size()};
}

Result<std::uint64_t> DynamicImageEditor::Allocate(std::uint64_t block) {
  const std::uint64_t bitmap_bytes = layout_.dynamic.bitmap_bytes();
  std::uint64_t offset = end_;
  if (layout_.dynamic.block_bytes >= DynamicLayout::kBlockBytes) {
    // Data at whole pages, as in images that are made here.
    constexpr std::uint64_t kPage = DynamicLayout::kPageBytes;
    offset = DivideRoundUp(end_ + bitmap_bytes, kPage) * kPage - bitmap_bytes;
  }
  const auto sector = CheckedNarrow<std::uint32_t>(offset / kSectorBytes);
  if (!sector || *sector == kUnusedEntry) {
    return OverLimit("a VHD cannot have a block at {0x}", offset);
  }
  INSTAR_TRY(FillBitmap(offset));
  INSTAR_ASSIGN_OR_RETURN(const std::size_t at, SelectEntry(block));
  StoreBe32(table_.Change(), at, *sector);
  end_ = offset + bitmap_bytes + layout_.dynamic.block_bytes;
  grown_ = true;
  return offset + bitmap_bytes;
}

Status DynamicImageEditor::Finish() {
  INSTAR_TRY(table_.Write());
  INSTAR_TRY(target().Flush());
  if (!grown_) return {};
  std::array<std::byte, Footer::kBytes> footer{};
  INSTAR_TRY(target().Read(0, footer));  // the copy, which has been found to be the same
  INSTAR_TRY(target().Write(end_, footer));
  return target().Flush();
}

}  // namespace instar::vpc
