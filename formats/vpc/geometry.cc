#include "formats/vpc/geometry.h"

#include <algorithm>

namespace instar::vpc {
namespace {

constexpr std::uint64_t kHeads = 16;
constexpr std::uint64_t kMinHeads = 4;
constexpr std::uint64_t kCylindersOfInt13 = 1024;

}  // namespace

Geometry GeometryFor(std::uint64_t sectors) {
  sectors = std::min(sectors, kMaxGeometry.sectors());
  std::uint64_t per_track = 255;
  std::uint64_t heads = kHeads;
  if (sectors < std::uint64_t{65535} * kHeads * 63) {
    per_track = 17;
    const std::uint64_t tracks = sectors / per_track;
    heads = std::max(kMinHeads, (tracks + kCylindersOfInt13 - 1) / kCylindersOfInt13);
    if (heads > kHeads || tracks >= heads * kCylindersOfInt13) {
      heads = kHeads;
      per_track = 31;
      if (sectors / per_track >= heads * kCylindersOfInt13) per_track = 63;
    }
  }
  return {.cylinders = static_cast<std::uint16_t>(sectors / per_track / heads),
          .heads = static_cast<std::uint8_t>(heads),
          .sectors_per_track = static_cast<std::uint8_t>(per_track)};
}

Geometry GeometryCovering(std::uint64_t sectors) {
  sectors = std::min(sectors, kMaxGeometry.sectors());
  // A cylinder has 4080 sectors at most, so this ends soon.
  std::uint64_t tried = sectors;
  Geometry geometry = GeometryFor(tried);
  while (geometry.sectors() < sectors) geometry = GeometryFor(++tried);
  return geometry;
}

}  // namespace instar::vpc
