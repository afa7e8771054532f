#include "formats/qcow2/structures/bitmap_directory.h"

#include "formats/base/checked.h"
#include "formats/base/read_window.h"

namespace instar::qcow2 {

std::uint64_t BitmapEntry::encoded_bytes() const {
  return (kFixedBytes + std::uint64_t{extra_bytes} + name_bytes + 7) / 8 * 8;
}

Status CheckBitmapEntry(const BitmapEntry& entry, std::uint32_t index) {
  if (entry.type != kBitmapTypeDirtyTracking) {
    return Corrupt("bitmap {0} is of the unknown type {1}", index, entry.type);
  }
  if ((entry.flags & ~kBitmapKnownFlags) != 0) {
    return Corrupt("bitmap {0} has the unknown flags {1x}", index,
                   entry.flags & ~kBitmapKnownFlags);
  }
  if (entry.name_bytes == 0 || entry.name_bytes > kMaxBitmapNameBytes) {
    return Corrupt("bitmap {0} has a name of {1} bytes", index, entry.name_bytes);
  }
  if (entry.granularity_bits < kMinBitmapGranularityBits ||
      entry.granularity_bits > kMaxBitmapGranularityBits) {
    return Corrupt("bitmap {0} has granularity 2^{1}, outside 2^9 to 2^31", index,
                   entry.granularity_bits);
  }
  if (entry.extra_bytes != 0) {
    return Unsupported("bitmap {0} has {1} bytes of extra data", index, entry.extra_bytes);
  }
  if (entry.table_offset == 0 || entry.table_offset % 512 != 0 || entry.table_entries == 0) {
    return Corrupt("the table of bitmap {0} is misplaced at {1x} ({2} entries)", index,
                   entry.table_offset, entry.table_entries);
  }
  return {};
}

Status VisitBitmaps(const BlockDevice& device, const BitmapsExtension& extension,
                    BitmapVisitor& visitor) {
  ReadWindow window(device, ReadWindow::PieceOf(extension.directory_bytes));
  std::uint64_t at = 0;  // within the directory
  for (std::uint32_t i = 0; i < extension.bitmap_count; ++i) {
    const std::uint64_t left = extension.directory_bytes - at;
    if (left < BitmapEntry::kFixedBytes) {
      return Corrupt("the bitmap directory ends before bitmap {0} of {1}", i,
                     extension.bitmap_count);
    }
    INSTAR_ASSIGN_OR_RETURN(const auto head,
                            window.View(extension.directory_offset + at, BitmapEntry::kFixedBytes));
    const BitmapEntry entry = kBitmapFields.Decode<BitmapEntry>(head);
    if (entry.encoded_bytes() > left) {
      return Corrupt("bitmap {0} reaches beyond the bitmap directory", i);
    }
    INSTAR_TRY(CheckBitmapEntry(entry, i));
    INSTAR_ASSIGN_OR_RETURN(
        const auto name,
        window.View(extension.directory_offset + at + BitmapEntry::kFixedBytes, entry.name_bytes));
    visitor.Visit(entry, {reinterpret_cast<const char*>(name.data()), name.size()});
    at += entry.encoded_bytes();
  }
  if (at != extension.directory_bytes) {
    return Corrupt("the bitmap directory holds more than its {0} bitmaps", extension.bitmap_count);
  }
  return {};
}

}  // namespace instar::qcow2
