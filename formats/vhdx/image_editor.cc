#include "formats/vhdx/image_editor.h"

#include <array>
#include <string_view>
#include <utility>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/unique_id.h"
#include "formats/vhdx/format.h"

namespace instar::vhdx {
namespace {

// Offsets of blocks have 44 bits of MiB; files end where offsets do.
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 62;

}  // namespace

Result<std::unique_ptr<ImageWriter>> ImageEditor::Open(const CreateOptions& options) {
  if (options.compress) return InvalidArgument("VHDX images cannot be compressed");
  INSTAR_ASSIGN_OR_RETURN(Image image, Image::Open(*options.target));
  if (image.header.has_log()) {
    return Unsupported(
        "the log of the image holds changes that have not reached their places, so nothing can be "
        "written into it");
  }
  if (image.bat.has_parent) {
    return Unsupported("writing into an existing differencing VHDX is not supported");
  }
  const Geometry geometry{.block_bytes = image.bat.block_bytes,
                          .disk_bytes = image.bat.virtual_bytes,
                          .source_bytes = options.virtual_size_bytes};
  INSTAR_TRY(CheckSizes(geometry));
  INSTAR_TRY(CheckSound(Check, *options.target));
  return std::unique_ptr<ImageWriter>(new ImageEditor(std::move(image), *options.target, geometry));
}

ImageEditor::ImageEditor(Image image, TargetDevice& target, const Geometry& geometry)
    : BlockImageEditor(target, geometry),
      image_(std::move(image)),
      table_(target),
      end_(DivideRoundUp(target.size_bytes(), kMebibyte) * kMebibyte) {}

// Both headers, one after the other: at each moment one of them is valid.
Status ImageEditor::Begin() {
  Header& header = image_.header;
  UniqueIdSource ids("vhdx-change", identity_);
  ids.Mix(header.file_write_id);
  ids.Mix(header.data_write_id);
  ids.Mix(header.sequence_number);
  header.file_write_id = GuidOf(ids.Next());
  header.data_write_id = GuidOf(ids.Next());
  std::array<std::byte, Header::kBytes> bytes{};
  INSTAR_TRY(target().Read(kHeader1Offset, bytes));
  const auto first = Header::DecodeFrom(bytes);
  const bool first_counts = first && first->sequence_number == header.sequence_number;
  bytes.fill(std::byte{0});
  for (const std::uint64_t offset : {first_counts ? kHeader2Offset : kHeader1Offset,
                                     first_counts ? kHeader1Offset : kHeader2Offset}) {
    const auto next = CheckedAdd(header.sequence_number, 1);
    if (!next) return OverLimit("the sequence number of the headers cannot grow any more");
    header.sequence_number = *next;
    header.EncodeTo(bytes);
    INSTAR_TRY(target().Write(offset, bytes));
    INSTAR_TRY(target().Flush());
  }
  return {};
}

Result<std::size_t> ImageEditor::SelectEntry(std::uint64_t block) {
  return table_.SelectIn(image_.regions.bat.offset, image_.bat.entries() * kBatEntryBytes,
                         image_.bat.PayloadEntry(block) * kBatEntryBytes);
}

Result<BlockImageEditor::Block> ImageEditor::Find(std::uint64_t block) {
  INSTAR_ASSIGN_OR_RETURN(const std::size_t at, SelectEntry(block));
  const BatEntry entry = BatEntry::Decode(LoadLe64(table_.bytes(), at));
  if (BlockState{entry.state} != BlockState::kFullyPresent) return Block{};
  INSTAR_TRY(image_.CheckBlock(entry.offset, image_.bat.block_bytes));
  return Block{.kind = Block::Kind::kStored, .file_offset = entry.offset};
}

Result<std::uint64_t> ImageEditor::Allocate(std::uint64_t block) {
  const std::uint64_t offset = end_;
  if (!RangeFits(offset, image_.bat.block_bytes, kMaxFileBytes)) {
    return OverLimit("a VHDX cannot have a block at {0x}", offset);
  }
  INSTAR_ASSIGN_OR_RETURN(const std::size_t at, SelectEntry(block));
  const BatEntry entry{.state = static_cast<std::uint8_t>(BlockState::kFullyPresent),
                       .offset = offset};
  StoreLe64(table_.Change(), at, entry.Encode());
  end_ += image_.bat.block_bytes;
  return offset;
}

Status ImageEditor::Finish() {
  INSTAR_TRY(target().Flush());
  INSTAR_TRY(table_.Write());
  return target().Flush();
}

}  // namespace instar::vhdx
