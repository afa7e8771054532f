#include "formats/qcow2/check/bitmap_directory_walk.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/read/bitmap_data.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kPieceBytes = 64 << 10;

}  // namespace

BitmapDirectoryWalk::BitmapDirectoryWalk(const BlockDevice& device,
                                         const BitmapsExtension& extension)
    : extension_(extension), window_(device, ReadWindow::PieceOf(extension.directory_bytes)) {}

Result<std::optional<BitmapDirectoryWalk::Item>> BitmapDirectoryWalk::Next() {
  const std::uint64_t left = extension_.directory_bytes - at_;
  if (index_ == extension_.bitmap_count || left < BitmapEntry::kFixedBytes) return std::nullopt;
  INSTAR_ASSIGN_OR_RETURN(
      const auto head, window_.View(extension_.directory_offset + at_, BitmapEntry::kFixedBytes));
  Item item{.index = index_, .at = at_, .entry = kBitmapFields.Decode<BitmapEntry>(head)};
  if (item.entry.encoded_bytes() > left) return std::nullopt;
  at_ += item.entry.encoded_bytes();
  ++index_;
  return item;
}

Result<std::vector<char>> BitmapDirectoryWalk::Name(const Item& item) {
  const std::uint64_t bytes = std::min<std::uint64_t>(item.entry.name_bytes, kMaxBitmapNameBytes);
  INSTAR_ASSIGN_OR_RETURN(const auto name,
                          window_.View(extension_.directory_offset + item.at +
                                           BitmapEntry::kFixedBytes + item.entry.extra_bytes,
                                       bytes));
  std::vector<char> text(name.size());
  std::ranges::transform(name, text.begin(), [](std::byte b) { return static_cast<char>(b); });
  return text;
}

Result<bool> IsSoundBitmap(const BlockDevice& device, const Header& header,
                           const BitmapDirectoryWalk::Item& item) {
  const BitmapEntry& entry = item.entry;
  if (!CheckBitmapEntry(entry, item.index)) return false;
  const std::uint64_t cluster_bytes = header.cluster_bytes();
  const auto in_file = [&](std::uint64_t offset, std::uint64_t bytes) {
    const auto end = CheckedAdd(offset, bytes);
    return end && *end < device.size_bytes() + cluster_bytes;
  };
  if (entry.table_offset % cluster_bytes != 0 ||
      !in_file(entry.table_offset, entry.table_entries * kTableEntryBytes)) {
    return false;
  }
  // Of one that is in use nobody promises that it fits.
  if ((entry.flags & kBitmapInUse) == 0 && !BitmapData::Open(device, header, entry)) return false;
  std::vector<std::byte> piece;
  const std::uint64_t bytes = entry.table_entries * kTableEntryBytes;
  for (std::uint64_t at = 0; at < bytes; at += piece.size()) {
    piece.resize(std::min(bytes - at, kPieceBytes));
    INSTAR_TRY(device.Read(entry.table_offset + at, piece));
    for (std::size_t i = 0; i < piece.size(); i += kTableEntryBytes) {
      const std::uint64_t place = LoadBe64(piece, i);
      if (!IsBitmapTableEntry(place, cluster_bytes)) return false;
      if (HostOffset(place) != 0 && !in_file(HostOffset(place), cluster_bytes)) return false;
    }
  }
  return true;
}

}  // namespace instar::qcow2
