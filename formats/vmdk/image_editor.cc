#include "formats/vmdk/image_editor.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/vmdk/content_id.h"
#include "formats/vmdk/descriptor.h"
#include "formats/vmdk/format.h"
#include "formats/vmdk/reader.h"
#include "formats/vmdk/sparse_layout.h"

namespace instar::vmdk {
namespace {

constexpr std::size_t kWindowBytes = 64 << 10;

}  // namespace

Result<std::unique_ptr<ImageWriter>> ImageEditor::Open(const CreateOptions& options) {
  TargetDevice& target = *options.target;
  INSTAR_ASSIGN_OR_RETURN(const auto reader, Reader::Open(target));
  if (reader->extents().size() != 1 || !reader->extents().front().embedded) {
    return Unsupported(
        "of existing vmdk images only those of one file (monolithicSparse) can be written into");
  }
  const SparseHeader header = reader->extents().front().header;
  if (header.compressed()) {
    return Unsupported("compressed grains (streamOptimized) cannot be overwritten");
  }
  const Geometry geometry{.block_bytes = header.grain_bytes(),
                          .disk_bytes = reader->virtual_size_bytes(),
                          .source_bytes = options.virtual_size_bytes,
                          .has_parent = !reader->descriptor().parent_name.empty()};
  INSTAR_TRY(CheckSizes(geometry));
  INSTAR_TRY(CheckSound(Check, target, reader.get()));

  std::vector<char> text(header.descriptor_sectors * kSectorBytes);
  INSTAR_TRY(target.Read(header.descriptor_sector * kSectorBytes,
                         std::as_writable_bytes(std::span(text))));
  const std::uint32_t content_id = reader->descriptor().cid.value_or(0);
  // With an ID of full length: Begin will find room for another one.
  INSTAR_ASSIGN_OR_RETURN(text, WithContentId(text, content_id));
  std::unique_ptr<ImageEditor> writer(
      new ImageEditor(header, content_id, std::move(text), target, geometry));
  INSTAR_TRY(writer->CheckTables());
  return writer;
}

ImageEditor::ImageEditor(const SparseHeader& header, std::uint32_t content_id,
                         std::vector<char> descriptor, TargetDevice& target,
                         const Geometry& geometry)
    : BlockImageEditor(target, geometry),
      header_(header),
      content_id_(content_id),
      descriptor_(std::move(descriptor)),
      directory_(target, kWindowBytes),
      redundant_directory_(target, kWindowBytes),
      table_(target),
      redundant_table_(target),
      // The last grain may reach beyond the end of the file.
      end_sector_((DivideRoundUp(target.size_bytes(), header.grain_bytes()) + 1) *
                  header.grain_sectors) {}

Result<std::uint64_t> ImageEditor::TableOf(ReadWindow& directory, std::uint64_t directory_sector,
                                           std::uint64_t grain) {
  const std::uint64_t at = grain / header_.table_entries * kEntryBytes;
  const std::uint64_t left = header_.directory_entries() * kEntryBytes - at;
  INSTAR_ASSIGN_OR_RETURN(const auto entry,
                          directory.View(directory_sector * kSectorBytes + at, kEntryBytes,
                                         std::min<std::uint64_t>(left, kWindowBytes)));
  const std::uint64_t offset = LoadLe32(entry, 0) * kSectorBytes;
  if (offset == 0) {
    return Unsupported(
        "the image has no grain table for grain {0}, and tables are not added to existing images",
        grain);
  }
  if (!RangeFits(offset, header_.table_entries * kEntryBytes, target().size_bytes())) {
    return Corrupt("the grain table at {0x} lies beyond the end of the file ({1x})", offset,
                   target().size_bytes());
  }
  return offset;
}

Status ImageEditor::CheckTables() {
  const std::uint64_t grains = DivideRoundUp(geometry().source_bytes, geometry().block_bytes);
  for (std::uint64_t grain = 0; grain < grains; grain += header_.table_entries) {
    INSTAR_TRY(TableOf(directory_, header_.directory_sector, grain));
    if (!header_.has_redundant_directory()) continue;
    INSTAR_TRY(TableOf(redundant_directory_, header_.redundant_directory_sector, grain));
  }
  return {};
}

Status ImageEditor::Begin() {
  INSTAR_ASSIGN_OR_RETURN(descriptor_,
                          WithContentId(descriptor_, ChangedContentId(identity_, content_id_)));
  INSTAR_TRY(target().Write(header_.descriptor_sector * kSectorBytes,
                            std::as_bytes(std::span(descriptor_))));
  return target().Flush();
}

Status ImageEditor::Select(std::uint64_t grain) {
  const std::size_t table_bytes = header_.table_entries * kEntryBytes;
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t offset,
                          TableOf(directory_, header_.directory_sector, grain));
  INSTAR_TRY(table_.Select(offset, table_bytes));
  if (!header_.has_redundant_directory()) return {};
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t redundant,
                          TableOf(redundant_directory_, header_.redundant_directory_sector, grain));
  return redundant_table_.Select(redundant, table_bytes);
}

Result<BlockImageEditor::Block> ImageEditor::Find(std::uint64_t grain) {
  INSTAR_TRY(Select(grain));
  const std::uint32_t entry = LoadLe32(table_.bytes(), grain % header_.table_entries * kEntryBytes);
  if (entry == kUnallocatedGrain) return Block{};
  if (entry == kZeroedGrain && header_.has_zeroed_grains()) {
    return Block{.kind = Block::Kind::kZero};
  }
  return Block{.kind = Block::Kind::kStored, .file_offset = entry * kSectorBytes};
}

Result<std::uint64_t> ImageEditor::Allocate(std::uint64_t grain) {
  if (end_sector_ + header_.grain_sectors > SparseLayout::kMaxFileSectors) {
    return OverLimit("a sparse extent cannot hold more than {0} bytes",
                     SparseLayout::kMaxFileSectors * kSectorBytes);
  }
  const std::uint64_t at = grain % header_.table_entries * kEntryBytes;
  const auto sector = static_cast<std::uint32_t>(end_sector_);
  StoreLe32(table_.Change(), at, sector);
  if (header_.has_redundant_directory()) StoreLe32(redundant_table_.Change(), at, sector);
  end_sector_ += header_.grain_sectors;
  return sector * kSectorBytes;
}

Status ImageEditor::Finish() {
  INSTAR_TRY(target().Flush());
  INSTAR_TRY(redundant_table_.Write());
  INSTAR_TRY(table_.Write());
  return target().Flush();
}

}  // namespace instar::vmdk
