// The bits of one stored dirty bitmap, read as a stream of bytes.
#ifndef FORMATS_QCOW2_READ_BITMAP_DATA_H_
#define FORMATS_QCOW2_READ_BITMAP_DATA_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/header.h"

namespace instar::qcow2 {

// The most data one bitmap may have; QEMU's limit too.
inline constexpr std::uint64_t kMaxBitmapDataBytes = 512ULL << 20;

// Entries of a bitmap table: the offset of a cluster of bits, or none and bit 0 for what all of its
// bits are.
inline constexpr std::uint64_t kBitmapAllOnes = 1;
// Whether `entry` is one of these, in an image with clusters of `cluster_bytes`.
[[nodiscard]] bool IsBitmapTableEntry(std::uint64_t entry, std::uint64_t cluster_bytes);

// Bits and bytes of a bitmap with granularity 1 << `granularity_bits` over `disk_bytes`.
[[nodiscard]] std::uint64_t BitmapBits(std::uint64_t disk_bytes, unsigned granularity_bits);
[[nodiscard]] std::uint64_t BitmapBytes(std::uint64_t disk_bytes, unsigned granularity_bits);

class BitmapData {
 public:
  // The bitmap `entry` of the image on `device` with `header`. `device` must outlive this.
  // kCorrupt if its table does not fit the disk, kLimit.
  static Result<BitmapData> Open(const BlockDevice& device, const Header& header,
                                 const BitmapEntry& entry);

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  [[nodiscard]] std::uint64_t bits() const { return bits_; }

  // Bytes that are stored alike.
  struct Stretch {
    enum class Kind : std::uint8_t { kZeros, kOnes, kStored };
    Kind kind = Kind::kZeros;
    std::uint64_t end = 0;  // of the stretch, in bytes of the bitmap
  };
  // How the bytes from `offset`, below bytes(), to at most `end` are stored.
  Result<Stretch> StretchAt(std::uint64_t offset, std::uint64_t end);

  // Bytes [offset, offset + out.size()) of the bitmap; zeros beyond its last bit.
  Status Read(std::uint64_t offset, std::span<std::byte> out);

 private:
  BitmapData(const BlockDevice& device, const Header& header, const BitmapEntry& entry);

  // The table entry of cluster `index` of the bits.
  Result<std::uint64_t> EntryAt(std::uint64_t index);

  const BlockDevice* device_;
  std::uint64_t cluster_bytes_;
  std::uint64_t table_offset_;
  std::uint64_t bits_;
  std::uint64_t bytes_;
  ReadWindow table_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_READ_BITMAP_DATA_H_
