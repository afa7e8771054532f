// The bits of one bitmap joined to those of others, cluster by cluster of bits: what is all zeros
// or all ones in the tables of the others is not looked at bit by bit, and no more than one cluster
// and one piece of another bitmap are in memory.
//
// Bitmaps of other granularities: a bit is set if one of the others has a bit set that stands for
// some of the same bytes of the disk. Example: of a bit for 64 KiB 16 bits for 4 KiB become set,
// and of each of these again the one for 64 KiB.
// tests/unit/formats/qcow2/bitmaps_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_BITMAP_MERGE_H_
#define FORMATS_QCOW2_EDIT_BITMAP_MERGE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/read/bitmap_data.h"

namespace instar::qcow2 {

// Sets bits [begin, end) of `bits`, the least significant bit of a byte first.
void SetBits(std::span<std::byte> bits, std::uint64_t begin, std::uint64_t end);

// A bitmap to join to another, whose bits stand for 1 << granularity_bits bytes of the disk each.
struct BitmapSource {
  BitmapData data;
  unsigned granularity_bits = 0;
};

// Some of the bits of a bitmap: those from `first` on, `count` of them.
class BitmapPart {
 public:
  BitmapPart(std::uint64_t first, std::uint64_t count, unsigned granularity_bits,
             std::span<std::byte> bits)
      : first_(first), count_(count), granularity_bits_(granularity_bits), bits_(bits) {}

  // Sets the bits that `source` has set. Nothing is read and `bits` is not touched where it has
  // none. kCorrupt, kIo.
  Status Join(BitmapSource& source);
  // Whether a bit was set by Join, which may have been set before.
  [[nodiscard]] bool touched() const { return touched_; }

  // Clears what is behind the last bit. Whether all bits are set, or none.
  void Trim();
  [[nodiscard]] bool AllAre(bool set) const;

 private:
  // Sets what bits [begin, end) of a bitmap with granularity 1 << `granularity_bits` stand for.
  void Set(std::uint64_t begin, std::uint64_t end, unsigned granularity_bits);
  Status JoinStored(BitmapSource& source, std::uint64_t begin_byte, std::uint64_t end_byte);
  // `piece`, which is not needed afterwards: bits from `first_bit`, a multiple of 8, on.
  void JoinPiece(std::vector<std::byte>& piece, std::uint64_t first_bit, unsigned granularity);

  std::uint64_t first_;
  std::uint64_t count_;
  unsigned granularity_bits_;
  std::span<std::byte> bits_;
  bool touched_ = false;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_BITMAP_MERGE_H_
