#include "formats/vpc/geometry.h"

#include <gtest/gtest.h>

namespace instar::vpc {
namespace {

// Sizes and geometries as qemu-img 7.2 wrote them.
TEST(VpcGeometry, CoversTheDiskAsQemuImgDoes) {
  struct Case {
    std::uint64_t sectors;
    Geometry geometry;
  };
  for (const Case& c :
       {Case{0, {0, 4, 17}}, Case{1, {1, 4, 17}}, Case{2048, {31, 4, 17}},
        Case{10240, {151, 4, 17}}, Case{20480, {302, 4, 17}}, Case{266338304, {65279, 16, 255}}}) {
    EXPECT_EQ(GeometryCovering(c.sectors).sectors(), c.geometry.sectors()) << c.sectors;
    EXPECT_EQ(GeometryCovering(c.sectors).sectors_per_track, c.geometry.sectors_per_track);
  }
}

TEST(VpcGeometry, IsTheSmallestThatCoversAndNeverBelow) {
  for (std::uint64_t sectors = 1; sectors < kMaxGeometry.sectors(); sectors += sectors / 7 + 1) {
    EXPECT_GE(GeometryCovering(sectors).sectors(), sectors);
    EXPECT_LE(GeometryFor(sectors).sectors(), sectors);
  }
}

TEST(VpcGeometry, EndsAtTheLargest) {
  EXPECT_EQ(GeometryCovering(kMaxGeometry.sectors()), kMaxGeometry);
  EXPECT_EQ(GeometryCovering(~std::uint64_t{0}), kMaxGeometry);
}

}  // namespace
}  // namespace instar::vpc
