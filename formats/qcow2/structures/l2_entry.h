// Entries of L1 and L2 tables, standard (8 bytes) and extended (16 bytes).
//
// An L1 entry is the offset of an L2 table, or 0. An L2 entry describes one cluster: bit 62 tells a
// compressed cluster descriptor from a standard one, bit 63 (COPIED) that the refcount of what it
// points at is exactly one. In an extended entry a second word says of each of 32 subclusters
// whether it is allocated (low half) or reads as zeros (high half); the zero bit of the first word
// then means nothing.
#ifndef FORMATS_QCOW2_STRUCTURES_L2_ENTRY_H_
#define FORMATS_QCOW2_STRUCTURES_L2_ENTRY_H_

#include <cstdint>

#include "formats/qcow2/structures/constants.h"

namespace instar::qcow2 {

inline constexpr std::uint64_t kCopied = std::uint64_t{1} << 63;
inline constexpr std::uint64_t kCompressed = std::uint64_t{1} << 62;
inline constexpr std::uint64_t kReadsZero = 1;  // standard entries, version 3
// Where L1 and standard L2 entries hold their offset: bits 9 to 55.
inline constexpr std::uint64_t kOffsetMask = 0x00FFFFFFFFFFFE00;

[[nodiscard]] constexpr std::uint64_t L2TableOffset(std::uint64_t l1_entry) {
  return l1_entry & kOffsetMask;
}
[[nodiscard]] constexpr std::uint64_t EncodeL1Entry(std::uint64_t l2_table_offset, bool copied) {
  return l2_table_offset | (copied ? kCopied : 0);
}

[[nodiscard]] constexpr bool IsCompressed(std::uint64_t l2_entry) {
  return (l2_entry & kCompressed) != 0;
}
[[nodiscard]] constexpr std::uint64_t HostOffset(std::uint64_t l2_entry) {
  return l2_entry & kOffsetMask;
}
[[nodiscard]] constexpr std::uint64_t EncodeStandardEntry(std::uint64_t host_offset, bool copied,
                                                          bool reads_zero = false) {
  return host_offset | (copied ? kCopied : 0) | (reads_zero ? kReadsZero : 0);
}

// A compressed cluster: deflated bytes start at any byte of the file and end within the sector
// (512-byte units of the file) the count reaches. The split between the two fields of the
// descriptor moves with the cluster size: x = 62 - (cluster_bits - 8) bits of offset, then the
// number of sectors beyond the one the data starts in.
struct CompressedCluster {
  std::uint64_t offset = 0;
  std::uint64_t additional_sectors = 0;

  [[nodiscard]] static constexpr unsigned OffsetBits(unsigned cluster_bits) {
    return 62 - (cluster_bits - 8);
  }
  [[nodiscard]] static constexpr CompressedCluster DecodeFrom(std::uint64_t l2_entry,
                                                              unsigned cluster_bits) {
    const unsigned bits = OffsetBits(cluster_bits);
    const std::uint64_t descriptor = l2_entry & (kCompressed - 1);
    return {.offset = descriptor & ((std::uint64_t{1} << bits) - 1),
            .additional_sectors = descriptor >> bits};
  }
  // The descriptor of `bytes` (at least 1) compressed bytes at `offset`. COPIED is never set.
  [[nodiscard]] static constexpr CompressedCluster Covering(std::uint64_t offset,
                                                            std::uint64_t bytes) {
    return {.offset = offset, .additional_sectors = (offset + bytes - 1) / 512 - offset / 512};
  }
  [[nodiscard]] constexpr std::uint64_t Encode(unsigned cluster_bits) const {
    return kCompressed | (additional_sectors << OffsetBits(cluster_bits)) | offset;
  }
  // Bytes from `offset` to the end of the last sector: what has to be read to be sure to hold all.
  [[nodiscard]] constexpr std::uint64_t bytes() const {
    return (additional_sectors + 1) * 512 - offset % 512;
  }
  friend bool operator==(const CompressedCluster&, const CompressedCluster&) = default;
};

// The second word of an extended entry; bit i speaks of subcluster i.
struct SubclusterBitmap {
  std::uint32_t allocated = 0;
  std::uint32_t reads_zero = 0;

  [[nodiscard]] static constexpr SubclusterBitmap DecodeFrom(std::uint64_t word) {
    return {.allocated = static_cast<std::uint32_t>(word & 0xFFFFFFFF),
            .reads_zero = static_cast<std::uint32_t>(word >> 32)};
  }
  [[nodiscard]] constexpr std::uint64_t Encode() const {
    return std::uint64_t{reads_zero} << 32 | allocated;
  }
  friend bool operator==(const SubclusterBitmap&, const SubclusterBitmap&) = default;
};

// How one cluster is described; `bitmap` counts with extended L2 entries only.
struct ClusterEntry {
  std::uint64_t entry = 0;
  SubclusterBitmap bitmap{};
  friend bool operator==(const ClusterEntry&, const ClusterEntry&) = default;
};

inline constexpr SubclusterBitmap kAllZeroSubclusters{.allocated = 0, .reads_zero = 0xFFFFFFFF};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_STRUCTURES_L2_ENTRY_H_
