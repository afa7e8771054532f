// The directory of dirty bitmaps: entries of variable length, each padded to 8 bytes.
#ifndef FORMATS_QCOW2_STRUCTURES_BITMAP_DIRECTORY_H_
#define FORMATS_QCOW2_STRUCTURES_BITMAP_DIRECTORY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/base/block_device.h"
#include "formats/base/disk_struct.h"
#include "formats/base/error.h"
#include "formats/qcow2/structures/header_extensions.h"

namespace instar::qcow2 {

inline constexpr std::uint32_t kBitmapInUse = 1U << 0;  // was not stored completely
inline constexpr std::uint32_t kBitmapAuto = 1U << 1;   // records writes from the start
inline constexpr std::uint32_t kBitmapExtraDataCompatible = 1U << 2;
inline constexpr std::uint32_t kBitmapKnownFlags =
    kBitmapInUse | kBitmapAuto | kBitmapExtraDataCompatible;
inline constexpr std::uint8_t kBitmapTypeDirtyTracking = 1;
inline constexpr unsigned kMinBitmapGranularityBits = 9;
inline constexpr unsigned kMaxBitmapGranularityBits = 31;

// One bitmap: the fixed part of its entry. Extra data and the name follow.
struct BitmapEntry {
  static constexpr std::size_t kFixedBytes = 24;

  std::uint64_t table_offset = 0;
  std::uint32_t table_entries = 0;
  std::uint32_t flags = 0;
  std::uint8_t type = kBitmapTypeDirtyTracking;
  std::uint8_t granularity_bits = 16;
  std::uint16_t name_bytes = 0;
  std::uint32_t extra_bytes = 0;

  [[nodiscard]] std::uint64_t encoded_bytes() const;
  friend bool operator==(const BitmapEntry&, const BitmapEntry&) = default;
};

// "Bitmap directory".
inline constexpr DiskStruct kBitmapFields{
    Field<Be64, 0, &BitmapEntry::table_offset>{"bitmap_table_offset"},
    Field<Be32, 8, &BitmapEntry::table_entries>{"bitmap_table_size"},
    Field<Be32, 12, &BitmapEntry::flags>{"flags"},
    Field<Le8, 16, &BitmapEntry::type>{"type"},
    Field<Le8, 17, &BitmapEntry::granularity_bits>{"granularity_bits"},
    Field<Be16, 18, &BitmapEntry::name_bytes>{"name_size"},
    Field<Be32, 20, &BitmapEntry::extra_bytes>{"extra_data_size"},
};

// Whether it is an entry that may be used. kCorrupt, kUnsupported; `index` is for the message.
[[nodiscard]] Status CheckBitmapEntry(const BitmapEntry& entry, std::uint32_t index);

// Visits the bitmaps in directory order, reading the directory in pieces. kCorrupt where an entry
// is not one that may be read.
class BitmapVisitor {
 public:
  virtual ~BitmapVisitor() = default;
  virtual void Visit(const BitmapEntry& entry, std::string_view name) = 0;
};
Status VisitBitmaps(const BlockDevice& device, const BitmapsExtension& extension,
                    BitmapVisitor& visitor);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_STRUCTURES_BITMAP_DIRECTORY_H_
