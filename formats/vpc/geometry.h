// Cylinders, heads and sectors, as the VHD specification counts them (its appendix "CHS
// Calculation"), and the virtual sizes that follow from them.
#ifndef FORMATS_VPC_GEOMETRY_H_
#define FORMATS_VPC_GEOMETRY_H_

#include <cstdint>

namespace instar::vpc {

struct Geometry {
  std::uint16_t cylinders = 0;
  std::uint8_t heads = 0;
  std::uint8_t sectors_per_track = 0;

  [[nodiscard]] constexpr std::uint64_t sectors() const {
    return std::uint64_t{cylinders} * heads * sectors_per_track;
  }
  friend bool operator==(const Geometry&, const Geometry&) = default;
};

// The largest there is: 127.5 GiB. A disk that has it may be larger than it says.
inline constexpr Geometry kMaxGeometry{.cylinders = 65535, .heads = 16, .sectors_per_track = 255};

// The geometry of a disk of `sectors`; it covers at most that many.
[[nodiscard]] Geometry GeometryFor(std::uint64_t sectors);

// The first geometry, going up from `sectors`, that covers that many; kMaxGeometry where none does.
// This is the size to which qemu-img rounds a new disk up.
[[nodiscard]] Geometry GeometryCovering(std::uint64_t sectors);

}  // namespace instar::vpc

#endif  // FORMATS_VPC_GEOMETRY_H_
