#include "formats/vmdk/grain_directory.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::vmdk {
namespace {

constexpr std::uint64_t kPieceBytes = 64 << 10;

}  // namespace

GrainDirectory::GrainDirectory(const BlockDevice& device, const SparseHeader& header,
                               std::uint64_t sector)
    : offset_(sector * kSectorBytes),
      bytes_(header.directory_entries() * kEntryBytes),
      table_bytes_(header.table_entries * kEntryBytes),
      directory_(device, std::min(kPieceBytes, bytes_)),
      tables_(device, kPieceBytes) {}

Result<std::span<const std::byte>> GrainDirectory::Entries(std::uint64_t index) {
  const std::uint64_t piece = AlignDown(index * kEntryBytes, kPieceBytes);
  INSTAR_ASSIGN_OR_RETURN(const auto view,
                          directory_.View(offset_ + piece, std::min(kPieceBytes, bytes_ - piece)));
  return view.subspan(index * kEntryBytes - piece);
}

Result<std::span<const std::byte>> GrainDirectory::Table(std::uint64_t index,
                                                         std::uint64_t sector) {
  const std::uint64_t table_offset = sector * kSectorBytes;
  if (tables_.Holds(table_offset, table_bytes_)) return tables_.View(table_offset, table_bytes_);
  INSTAR_ASSIGN_OR_RETURN(const auto entries, Entries(index));
  std::uint64_t fill_bytes = table_bytes_;
  for (std::uint64_t at = kEntryBytes;
       at < entries.size() && fill_bytes + table_bytes_ <= kPieceBytes; at += kEntryBytes) {
    if (LoadLe32(entries, at) * kSectorBytes != table_offset + fill_bytes) break;
    fill_bytes += table_bytes_;
  }
  return tables_.View(table_offset, table_bytes_, fill_bytes);
}

}  // namespace instar::vmdk
