// The numbers of the qcow2 format: magic, feature bits, header extension types, and the limits that
// are checked before anything is allocated. QEMU, docs/interop/qcow2, names them the same way.
#ifndef FORMATS_QCOW2_STRUCTURES_CONSTANTS_H_
#define FORMATS_QCOW2_STRUCTURES_CONSTANTS_H_

#include <cstdint>

namespace instar::qcow2 {

inline constexpr std::uint32_t kMagic = 0x514649FB;  // "QFI\xfb"; version 1 (qcow) has it too

// Incompatible features: an unknown one forbids reading.
inline constexpr std::uint64_t kIncompatDirty = 1U << 0;     // refcounts may be stale
inline constexpr std::uint64_t kIncompatCorrupt = 1U << 1;   // read only
inline constexpr std::uint64_t kIncompatDataFile = 1U << 2;  // clusters stand in another file
inline constexpr std::uint64_t kIncompatCompressionType = 1U << 3;  // not zlib
inline constexpr std::uint64_t kIncompatExtendedL2 = 1U << 4;       // 16-byte entries, subclusters
inline constexpr std::uint64_t kIncompatKnown = kIncompatDirty | kIncompatCorrupt |
                                                kIncompatDataFile | kIncompatCompressionType |
                                                kIncompatExtendedL2;

// Compatible features: unknown ones can be ignored.
inline constexpr std::uint64_t kCompatLazyRefcounts = 1U << 0;

// Autoclear features: who writes without knowing one clears it.
inline constexpr std::uint64_t kAutoclearBitmaps = 1U << 0;      // the bitmaps extension is true
inline constexpr std::uint64_t kAutoclearDataFileRaw = 1U << 1;  // the data file is a raw image

// Types of header extensions.
inline constexpr std::uint32_t kExtensionEnd = 0;
inline constexpr std::uint32_t kExtensionBackingFormat = 0xE2792ACA;
inline constexpr std::uint32_t kExtensionFeatureNames = 0x6803F857;
inline constexpr std::uint32_t kExtensionBitmaps = 0x23852875;
inline constexpr std::uint32_t kExtensionEncryption = 0x0537BE77;
inline constexpr std::uint32_t kExtensionDataFile = 0x44415441;

inline constexpr std::uint32_t kCryptNone = 0;
inline constexpr std::uint32_t kCryptAes = 1;
inline constexpr std::uint32_t kCryptLuks = 2;

inline constexpr std::uint8_t kCompressionZlib = 0;  // raw deflate, without the zlib header
inline constexpr std::uint8_t kCompressionZstd = 1;

inline constexpr unsigned kMinClusterBits = 9;
inline constexpr unsigned kMaxClusterBits = 21;
inline constexpr unsigned kMinClusterBitsExtendedL2 = 14;
inline constexpr unsigned kSubclustersPerCluster = 32;  // with extended L2 entries
inline constexpr unsigned kMaxRefcountOrder = 6;
inline constexpr std::uint64_t kMaxL1Bytes = 32U << 20;
inline constexpr std::uint64_t kMaxRefcountTableBytes = 8U << 20;
inline constexpr std::uint32_t kMaxSnapshots = 65536;
inline constexpr std::uint64_t kMaxSnapshotTableBytes = 1024ULL * kMaxSnapshots;
inline constexpr std::uint32_t kMaxSnapshotExtraBytes = 1024;
inline constexpr std::uint32_t kMaxBitmaps = 65535;
inline constexpr std::uint64_t kMaxBitmapDirectoryBytes = 1024ULL * kMaxBitmaps;
inline constexpr std::uint32_t kMaxBitmapNameBytes = 1023;
inline constexpr std::uint32_t kMaxBackingNameBytes = 1023;
inline constexpr std::uint32_t kMaxBackingFormatBytes = 15;
inline constexpr std::uint32_t kMaxDataFileNameBytes = 4095;

inline constexpr std::uint64_t kTableEntryBytes = 8;  // L1, refcount table, standard L2
inline constexpr std::uint64_t kExtendedL2EntryBytes = 16;

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_STRUCTURES_CONSTANTS_H_
