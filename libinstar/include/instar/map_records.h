// The records that map emits: one for the disk, then one for each stretch of it, in order and
// without gaps. Not a report (report.h): a huge fragmented disk has more stretches than anybody
// should keep, so both sides handle them as they come.
#ifndef INSTAR_MAP_RECORDS_H_
#define INSTAR_MAP_RECORDS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "formats/base/endian.h"
#include "formats/base/ids.h"
#include "instar/wire.h"

namespace instar {

enum class MapTag : std::uint32_t {
  kDisk = 1,     // 8 bytes: the virtual size
  kStretch = 2,  // MapStretch
  // Before kDisk, 8 bytes: an image that was taken for raw ends with a VHD footer that does not fit
  // (the number says nothing more).
  kUnfitFooter = 3,
};

// One stretch of the virtual disk, as qemu-img's map tells it.
struct MapStretch {
  static constexpr std::size_t kEncodedBytes = 40;
  static constexpr std::uint32_t kPresent = 1U << 0;     // a layer of the chain says what it holds
  static constexpr std::uint32_t kZero = 1U << 1;        // reads as zeros
  static constexpr std::uint32_t kData = 1U << 2;        // storage is behind it
  static constexpr std::uint32_t kCompressed = 1U << 3;  // that storage is compressed
  static constexpr std::uint32_t kHasOffset = 1U << 4;  // `device` and `file_offset` mean something
  static constexpr std::uint32_t kAllFlags = (1U << 5) - 1;

  std::uint64_t start = 0;
  std::uint64_t length_bytes = 0;
  std::uint64_t file_offset = 0;
  std::uint32_t depth = 0;  // of the layer that decides, 0 = top
  DeviceId device = kNoDevice;
  std::uint32_t flags = 0;

  [[nodiscard]] bool Has(std::uint32_t flag) const { return (flags & flag) != 0; }

  void EncodeTo(WireWriter& writer) const {
    std::array<std::byte, kEncodedBytes> bytes{};
    StoreLe64(bytes, 0, start);
    StoreLe64(bytes, 8, length_bytes);
    StoreLe64(bytes, 16, file_offset);
    StoreLe32(bytes, 24, depth);
    StoreLe32(bytes, 28, static_cast<std::uint32_t>(device));
    StoreLe32(bytes, 32, flags);
    writer.Bytes(static_cast<std::uint32_t>(MapTag::kStretch), bytes);
  }

  // Nothing unless `bytes` has the right length and known flags only.
  static std::optional<MapStretch> DecodeFrom(std::span<const std::byte> bytes) {
    if (bytes.size() != kEncodedBytes) return std::nullopt;
    MapStretch stretch{.start = LoadLe64(bytes, 0),
                       .length_bytes = LoadLe64(bytes, 8),
                       .file_offset = LoadLe64(bytes, 16),
                       .depth = LoadLe32(bytes, 24),
                       .device = DeviceId{LoadLe32(bytes, 28)},
                       .flags = LoadLe32(bytes, 32)};
    if ((stretch.flags & ~kAllFlags) != 0) return std::nullopt;
    return stretch;
  }

  friend bool operator==(const MapStretch&, const MapStretch&) = default;
};

}  // namespace instar

#endif  // INSTAR_MAP_RECORDS_H_
