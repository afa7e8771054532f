#include "formats/base/checked.h"

#include <gtest/gtest.h>

namespace instar {
namespace {

constexpr std::uint64_t kMax = UINT64_MAX;

TEST(Checked, SumsThatOverflowAreNothing) {
  EXPECT_EQ(CheckedAdd(kMax - 1, 1), kMax);
  EXPECT_EQ(CheckedAdd(kMax, 1), std::nullopt);
}

TEST(Checked, ProductsThatOverflowAreNothing) {
  EXPECT_EQ(CheckedMul(1ULL << 32, (1ULL << 32) - 1), kMax - 0xFFFFFFFF);
  EXPECT_EQ(CheckedMul(1ULL << 32, 1ULL << 32), std::nullopt);
}

TEST(Checked, NarrowingKeepsOnlyValuesThatFit) {
  EXPECT_EQ(CheckedNarrow<std::uint32_t>(std::uint64_t{0xFFFFFFFF}), 0xFFFFFFFF);
  EXPECT_EQ(CheckedNarrow<std::uint32_t>(std::uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(CheckedNarrow<std::uint32_t>(-1), std::nullopt);
}

TEST(Checked, RangesAreJudgedWithoutOverflow) {
  EXPECT_TRUE(RangeFits(10, 0, 10));
  EXPECT_TRUE(RangeFits(4, 6, 10));
  EXPECT_FALSE(RangeFits(4, 7, 10));
  EXPECT_FALSE(RangeFits(11, 0, 10));
  EXPECT_FALSE(RangeFits(kMax, kMax, kMax - 1));
}

TEST(Checked, AligningUpBeyondTheLargestNumberIsNothing) {
  EXPECT_EQ(AlignUp(1, 512), 512U);
  EXPECT_EQ(AlignUp(512, 512), 512U);
  EXPECT_EQ(AlignUp(kMax - 510, 512), std::nullopt);
  EXPECT_EQ(AlignDown(1023, 512), 512U);
}

TEST(Checked, DivisionRoundsUpWithoutOverflow) {
  EXPECT_EQ(DivideRoundUp(0, 512), 0U);
  EXPECT_EQ(DivideRoundUp(513, 512), 2U);
  EXPECT_EQ(DivideRoundUp(kMax, 2), kMax / 2 + 1);
}

TEST(Checked, PowersOfTwoHaveOneBit) {
  EXPECT_TRUE(IsPowerOfTwo(1));
  EXPECT_TRUE(IsPowerOfTwo(1ULL << 63));
  EXPECT_FALSE(IsPowerOfTwo(0));
  EXPECT_FALSE(IsPowerOfTwo(3));
}

}  // namespace
}  // namespace instar
