// Fixed places, limits and identifiers of VHDX ([MS-VHDX] 2). All numbers are little-endian; GUIDs
// are compared as the 16 bytes that stand on disk.
#ifndef FORMATS_VHDX_CONSTANTS_H_
#define FORMATS_VHDX_CONSTANTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace instar::vhdx {

inline constexpr std::uint64_t kMebibyte = 1 << 20;

// The header section, the first MiB.
inline constexpr std::uint64_t kHeaderSectionBytes = kMebibyte;
inline constexpr std::uint64_t kHeader1Offset = 64 << 10;
inline constexpr std::uint64_t kHeader2Offset = 128 << 10;
inline constexpr std::uint64_t kRegionTable1Offset = 192 << 10;
inline constexpr std::uint64_t kRegionTable2Offset = 256 << 10;
inline constexpr std::size_t kTableBytes = 64 << 10;  // of a region table and a metadata table
inline constexpr std::uint32_t kMaxTableEntries = 2047;

inline constexpr std::uint64_t kMaxVirtualBytes = std::uint64_t{64} << 40;
inline constexpr std::uint64_t kMinBlockBytes = kMebibyte;
inline constexpr std::uint64_t kMaxBlockBytes = 256 * kMebibyte;
inline constexpr std::uint64_t kMaxItemBytes = kMebibyte;  // of one metadata item

using Guid = std::array<std::byte, 16>;

// From the text form, whose first three groups are little-endian on disk.
[[nodiscard]] constexpr Guid MakeGuid(std::uint32_t a, std::uint16_t b, std::uint16_t c,
                                      std::uint64_t d) {
  Guid guid{};
  for (std::size_t i = 0; i < 4; ++i) guid[i] = static_cast<std::byte>(a >> (8 * i));
  for (std::size_t i = 0; i < 2; ++i) guid[4 + i] = static_cast<std::byte>(b >> (8 * i));
  for (std::size_t i = 0; i < 2; ++i) guid[6 + i] = static_cast<std::byte>(c >> (8 * i));
  for (std::size_t i = 0; i < 8; ++i) guid[8 + i] = static_cast<std::byte>(d >> (56 - 8 * i));
  return guid;
}

// The GUID on disk of a UUID whose bytes stand in the order of its text: the first three groups are
// numbers.
[[nodiscard]] constexpr Guid GuidOf(const std::array<std::byte, 16>& uuid) {
  constexpr std::array<std::uint8_t, 16> kOrder = {3, 2, 1,  0,  5,  4,  7,  6,
                                                   8, 9, 10, 11, 12, 13, 14, 15};
  Guid guid{};
  for (std::size_t i = 0; i < guid.size(); ++i) guid[i] = uuid[kOrder[i]];
  return guid;
}

[[nodiscard]] inline Guid LoadGuid(std::span<const std::byte> bytes, std::size_t at) {
  Guid guid{};
  std::memcpy(guid.data(), bytes.subspan(at, guid.size()).data(), guid.size());
  return guid;
}

inline void StoreGuid(std::span<std::byte> bytes, std::size_t at, const Guid& guid) {
  std::memcpy(bytes.subspan(at, guid.size()).data(), guid.data(), guid.size());
}

inline constexpr Guid kNoGuid{};

// Regions.
inline constexpr Guid kBatRegion = MakeGuid(0x2DC27766, 0xF623, 0x4200, 0x9D64115E9BFD4A08);
inline constexpr Guid kMetadataRegion = MakeGuid(0x8B7CA206, 0x4790, 0x4B9A, 0xB8FE575F050F886E);

// Metadata items.
inline constexpr Guid kFileParameters = MakeGuid(0xCAA16737, 0xFA36, 0x4D43, 0xB3B633F0AA44E76B);
inline constexpr Guid kVirtualDiskSize = MakeGuid(0x2FA54224, 0xCD1B, 0x4876, 0xB2115DBED83BF4B8);
inline constexpr Guid kVirtualDiskId = MakeGuid(0xBECA12AB, 0xB2E6, 0x4523, 0x93EFC309E000C746);
inline constexpr Guid kLogicalSectorSize = MakeGuid(0x8141BF1D, 0xA96F, 0x4709, 0xBA47F233A8FAAB5F);
inline constexpr Guid kPhysicalSectorSize =
    MakeGuid(0xCDA348C7, 0x445D, 0x4471, 0x9CC9E9885251C556);
inline constexpr Guid kParentLocator = MakeGuid(0xA8D35F2D, 0xB30B, 0x454D, 0xABF7D3D84834AB0C);

// The one kind of parent locator there is.
inline constexpr Guid kVhdxParent = MakeGuid(0xB04AEFB7, 0xD19E, 0x4A81, 0xB78925B8E9445913);

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_CONSTANTS_H_
