// The block allocation table of a VHDX ([MS-VHDX] 2.5): an entry for each payload block and, after
// each chunk_ratio of them, one for the sector bitmap block that describes them.
#ifndef FORMATS_VHDX_BAT_H_
#define FORMATS_VHDX_BAT_H_

#include <cstdint>

#include "formats/base/checked.h"
#include "formats/vhdx/constants.h"

namespace instar::vhdx {

inline constexpr std::uint64_t kBatEntryBytes = 8;
inline constexpr std::uint64_t kSectorBitmapBytes = kMebibyte;

enum class BlockState : std::uint8_t {
  kNotPresent = 0,  // the parent's, or undefined
  kUndefined = 1,
  kZero = 2,
  kUnmapped = 3,
  kFullyPresent = 6,
  kPartiallyPresent = 7,  // the sector bitmap says which sectors are here
};

struct BatEntry {
  std::uint8_t state = 0;    // three bits; see BlockState
  std::uint64_t offset = 0;  // bytes, whole MiB

  static constexpr BatEntry Decode(std::uint64_t value) {
    return {.state = static_cast<std::uint8_t>(value & 7), .offset = value >> 20 << 20};
  }
  [[nodiscard]] constexpr std::uint64_t Encode() const { return offset | state; }
};

struct BatLayout {
  std::uint64_t virtual_bytes = 0;
  std::uint64_t block_bytes = kMinBlockBytes;
  std::uint32_t logical_sector_bytes = 512;
  bool has_parent = false;

  // Payload blocks that one sector bitmap block describes: a bit for each of their sectors.
  [[nodiscard]] constexpr std::uint64_t chunk_ratio() const {
    return 8 * kSectorBitmapBytes * logical_sector_bytes / block_bytes;
  }
  [[nodiscard]] constexpr std::uint64_t blocks() const {
    return DivideRoundUp(virtual_bytes, block_bytes);
  }
  // Of the table. The last sector bitmap entry is there only where there is a parent.
  [[nodiscard]] constexpr std::uint64_t entries() const {
    if (has_parent) return DivideRoundUp(blocks(), chunk_ratio()) * (chunk_ratio() + 1);
    return blocks() == 0 ? 0 : blocks() + (blocks() - 1) / chunk_ratio();
  }
  [[nodiscard]] constexpr std::uint64_t PayloadEntry(std::uint64_t block) const {
    return block + block / chunk_ratio();
  }
  [[nodiscard]] constexpr std::uint64_t BitmapEntry(std::uint64_t block) const {
    return block / chunk_ratio() * (chunk_ratio() + 1) + chunk_ratio();
  }
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_BAT_H_
