// The numbers of the VMDK format, and the limits that are checked before anything is allocated.
// VMware, Virtual Disk Format 5.0, is the specification; the names are its own.
#ifndef FORMATS_VMDK_CONSTANTS_H_
#define FORMATS_VMDK_CONSTANTS_H_

#include <cstdint>

namespace instar::vmdk {

inline constexpr std::uint64_t kSectorBytes = 512;

inline constexpr std::uint32_t kSparseMagic = 0x564D444B;  // "KDMV"

// Flags of a sparse extent's header.
inline constexpr std::uint32_t kFlagNewlines = 1U << 0;        // the newline bytes can be checked
inline constexpr std::uint32_t kFlagRedundantTable = 1U << 1;  // there is a second grain directory
inline constexpr std::uint32_t kFlagZeroedGrain = 1U << 2;     // entry 1 is a grain of zeros
inline constexpr std::uint32_t kFlagCompressed = 1U << 16;
inline constexpr std::uint32_t kFlagMarkers = 1U << 17;

inline constexpr std::uint16_t kCompressionNone = 0;
inline constexpr std::uint16_t kCompressionDeflate = 1;

inline constexpr std::uint64_t kDirectoryAtEnd = ~std::uint64_t{0};  // see the footer

// Types of the markers of a stream-optimized extent.
inline constexpr std::uint32_t kMarkerEndOfStream = 0;
inline constexpr std::uint32_t kMarkerGrainTable = 1;
inline constexpr std::uint32_t kMarkerGrainDirectory = 2;
inline constexpr std::uint32_t kMarkerFooter = 3;

// In front of each compressed grain: its first sector (8 bytes), the length of the stream (4).
inline constexpr std::uint64_t kGrainMarkerBytes = 12;

// Entries of grain directories and grain tables: sectors of the file, 4 bytes each.
inline constexpr std::uint64_t kEntryBytes = 4;
inline constexpr std::uint32_t kUnallocatedGrain = 0;
inline constexpr std::uint32_t kZeroedGrain = 1;
inline constexpr std::uint64_t kTableEntries = 512;  // of every grain table that is written

inline constexpr std::uint32_t kNoParent = 0xFFFFFFFF;  // as parentCID

inline constexpr std::uint64_t kMaxDescriptorBytes = 1 << 20;
inline constexpr std::uint64_t kMaxExtents = 4096;
inline constexpr std::uint64_t kMaxNameBytes = 4095;
inline constexpr std::uint64_t kMaxGrainSectors = 1 << 15;          // 16 MiB
inline constexpr std::uint64_t kMaxDirectoryEntries = 32ULL << 20;  // 128 MiB, read in pieces

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_CONSTANTS_H_
