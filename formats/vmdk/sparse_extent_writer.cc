#include "formats/vmdk/sparse_extent_writer.h"

#include <algorithm>
#include <array>
#include <vector>

namespace instar::vmdk {
namespace {

constexpr std::uint64_t kGrainBytes = SparseLayout::kGrainBytes;
constexpr std::uint64_t kPieceEntries = 16 << 10;

}  // namespace

Status SparseExtentWriter::Begin() {
  if (layout_.overhead_sectors() >= SparseLayout::kMaxFileSectors) {
    return OverLimit("a disk of {0} bytes leaves no room for grains beside its tables",
                     layout_.capacity_bytes);
  }
  if (file_->fresh_reads_zero()) return file_->Resize(0, Preallocation::kOff);
  return file_->Zero(0, layout_.overhead_sectors() * kSectorBytes);
}

Status SparseExtentWriter::FlushTable() {
  if (table_.is_none()) return {};
  const auto place = [this](std::uint64_t directory) {
    return WritePiece{.offset = layout_.table_sector(directory, table_.index()) * kSectorBytes,
                      .data = table_.bytes()};
  };
  const std::array pieces = {place(layout_.redundant_directory_sector()),
                             place(layout_.directory_sector())};
  return file_->WriteAll(pieces);
}

Status SparseExtentWriter::Select(std::uint64_t table) {
  return table_.Select(table, [this] { return FlushTable(); });
}

Result<Placement> SparseExtentWriter::Place(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t grain = offset / kGrainBytes;
  INSTAR_TRY(Select(grain / kTableEntries));
  const std::uint64_t grains =
      std::min(DivideRoundUp(length, kGrainBytes), kTableEntries - grain % kTableEntries);
  const std::uint64_t first = end_sector_;
  end_sector_ += grains * SparseLayout::kGrainSectors;
  if (end_sector_ > SparseLayout::kMaxFileSectors) {
    return OverLimit("a sparse extent cannot hold more than {0} bytes",
                     SparseLayout::kMaxFileSectors * kSectorBytes);
  }
  for (std::uint64_t i = 0; i < grains; ++i) {
    table_.Set(grain + i, static_cast<std::uint32_t>(first + i * SparseLayout::kGrainSectors));
  }
  const std::uint64_t bytes = std::min(length, grains * kGrainBytes);
  // What the end of the disk cuts off the last grain is zeros.
  if (!file_->fresh_reads_zero() && bytes % kGrainBytes != 0) {
    INSTAR_TRY(file_->Zero(first * kSectorBytes + bytes, kGrainBytes - bytes % kGrainBytes));
  }
  return Placement{
      .device = file_->id(), .file_offset = first * kSectorBytes, .length_bytes = bytes};
}

Status SparseExtentWriter::PlaceZero(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t end = offset + length;
  if (!zeroed_grain_) {
    while (offset < end) {
      INSTAR_ASSIGN_OR_RETURN(const Placement place, Place(offset, end - offset));
      if (!file_->fresh_reads_zero()) {
        INSTAR_TRY(file_->Zero(place.file_offset, place.length_bytes));
      }
      offset += place.length_bytes;
    }
    return {};
  }
  for (std::uint64_t grain = offset / kGrainBytes; grain * kGrainBytes < end; ++grain) {
    INSTAR_TRY(Select(grain / kTableEntries));
    table_.Set(grain, kZeroedGrain);
  }
  return {};
}

Status SparseExtentWriter::WriteDirectory(std::uint64_t directory_sector) {
  std::vector<std::byte> piece;
  for (std::uint64_t first = 0; first < layout_.tables(); first += kPieceEntries) {
    const std::uint64_t count = std::min(kPieceEntries, layout_.tables() - first);
    piece.resize(count * kEntryBytes);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t sector = layout_.table_sector(directory_sector, first + i);
      StoreLe32(piece, i * kEntryBytes, static_cast<std::uint32_t>(sector));
    }
    INSTAR_TRY(file_->Write(directory_sector * kSectorBytes + first * kEntryBytes, piece));
  }
  return {};
}

Status SparseExtentWriter::Finish(std::span<const char> descriptor) {
  INSTAR_TRY(FlushTable());
  INSTAR_TRY(WriteDirectory(layout_.redundant_directory_sector()));
  INSTAR_TRY(WriteDirectory(layout_.directory_sector()));
  if (!descriptor.empty()) {
    INSTAR_TRY(
        file_->Write(SparseLayout::kDescriptorSector * kSectorBytes, std::as_bytes(descriptor)));
  }
  if (file_->fresh_reads_zero()) {
    INSTAR_TRY(file_->Resize(end_sector_ * kSectorBytes, Preallocation::kOff));
  }
  INSTAR_TRY(file_->Flush());
  std::array<std::byte, SparseHeader::kBytes> header{};
  kSparseHeaderFields.Encode(layout_.Header(zeroed_grain_), header);
  INSTAR_TRY(file_->Write(0, header));
  return file_->Flush();
}

}  // namespace instar::vmdk
