// The footer of a VHD: the last 512 bytes of the file (511 where Virtual PC before 2004 wrote it),
// with a copy at the start of dynamic and differencing disks. All numbers are big-endian.
#ifndef FORMATS_VPC_FOOTER_H_
#define FORMATS_VPC_FOOTER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/disk_struct.h"
#include "formats/base/error.h"
#include "formats/vpc/geometry.h"

namespace instar::vpc {

inline constexpr std::uint64_t kSectorBytes = 512;
// 2040 GiB: what a BAT of 32-bit sector numbers is trusted with.
inline constexpr std::uint64_t kMaxSectors = 0xFF000000;
inline constexpr std::uint64_t kNoOffset = ~std::uint64_t{0};

enum class DiskType : std::uint32_t {
  kFixed = 2,
  kDynamic = 3,
  kDifferencing = 4,
};

// The sum of all bytes but the four at `checksum_at`, inverted: what footer and header carry.
[[nodiscard]] std::uint32_t Checksum(std::span<const std::byte> bytes, std::size_t checksum_at);

struct Footer {
  static constexpr std::size_t kBytes = 512;
  static constexpr std::size_t kShortBytes = 511;
  static constexpr std::size_t kChecksumAt = 64;

  std::uint64_t data_offset = kNoOffset;  // of the dynamic header; kNoOffset in a fixed disk
  std::uint32_t timestamp = 0;            // seconds since 2000-01-01, UTC
  std::array<char, 4> creator{};
  std::uint64_t original_bytes = 0;
  std::uint64_t current_bytes = 0;
  Geometry geometry;
  DiskType type = DiskType::kFixed;
  std::array<std::byte, 16> unique_id{};

  // `bytes` holds kBytes. kCorrupt without the cookie or with a wrong checksum, kUnsupported for
  // other versions and types of disk.
  static Result<Footer> DecodeFrom(std::span<const std::byte> bytes);

  // Stores the fields and the checksum of `out`, kBytes, whose rest stays.
  void EncodeTo(std::span<std::byte> out) const;

  // Sectors of the virtual disk. "vpc " (Virtual PC) and "qemu" mean the geometry, everyone else
  // the size field; at kMaxGeometry the size field always rules.
  [[nodiscard]] std::uint64_t virtual_sectors() const;
};

inline constexpr std::uint64_t kFooterCookie = NumberOf("conectix");
inline constexpr std::uint32_t kFooterVersion = 0x00010000;

// Virtual Hard Disk Image Format Specification, "Hard Disk Footer Format".
inline constexpr DiskStruct kGeometryFields{
    Field<Be16, 0, &Geometry::cylinders>{"Cylinder"},
    Field<Le8, 2, &Geometry::heads>{"Heads"},
    Field<Le8, 3, &Geometry::sectors_per_track>{"Sectors per track/cylinder"},
};
inline constexpr DiskStruct kFooterFields{
    Constant<Be64, 0, kFooterCookie>{"Cookie"},
    Constant<Be32, 8, 2>{"Features"},  // the reserved bit that is always set
    Constant<Be32, 12, kFooterVersion>{"File Format Version"},
    Field<Be64, 16, &Footer::data_offset>{"Data Offset"},
    Field<Be32, 24, &Footer::timestamp>{"Time Stamp"},
    Field<RawBytes, 28, &Footer::creator>{"Creator Application"},
    Constant<Be32, 32, 0x00010000>{"Creator Version"},
    Constant<Be32, 36, NumberOf("Wi2k")>{"Creator Host OS"},
    Field<Be64, 40, &Footer::original_bytes>{"Original Size"},
    Field<Be64, 48, &Footer::current_bytes>{"Current Size"},
    Field<Nested<kGeometryFields>, 56, &Footer::geometry>{"Disk Geometry"},
    Field<Be32, 60, &Footer::type>{"Disk Type"},
    Field<RawBytes, 68, &Footer::unique_id>{"Unique Id"},
};

// What the last sector of a file says of the file.
enum class TailFooter : std::uint8_t {
  kNone,      // there is no footer
  kUnfit,     // there is one, but the file is no fixed disk of that footer
  kFixedDisk  // the file is a fixed disk
};
// `tail` is the last kBytes of a file of `file_bytes`. A footer counts if its checksum is right,
// its type is fixed, and it stands on the first sector behind the disk: the current size plus the
// footer, rounded up to a sector, is the length of the file. A raw disk can end in the last sector
// of a fixed disk, as one that holds an image of another: that footer has another size.
[[nodiscard]] TailFooter JudgeTail(std::span<const std::byte> tail, std::uint64_t file_bytes);

// Whether `bytes` (at least 8) start with the footer's cookie.
[[nodiscard]] bool HasFooterCookie(std::span<const std::byte> bytes);

}  // namespace instar::vpc

#endif  // FORMATS_VPC_FOOTER_H_
