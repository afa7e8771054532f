#include "formats/base/table_meter.h"

#include <gtest/gtest.h>

namespace instar {
namespace {

constexpr std::uint64_t kFile = 1 << 20;
constexpr std::uint64_t kTable = 1 << 20;
// Tables that may be come by: one that fills the file, and the free ones.
constexpr std::uint64_t kMost = 1 + TableMeter::kFreeBytes / kTable;

TEST(TableMeter, TablesThatFitInTheFileAreNoMatter) {
  TableMeter meter(kFile);
  for (std::uint64_t i = 0; i < kMost; ++i) EXPECT_TRUE(meter.Visit(i * 7, kTable)) << i;
}

TEST(TableMeter, MoreTablesThanTheFileCanHoldAreOverTheLimit) {
  TableMeter meter(kFile);
  for (std::uint64_t i = 0; i < kMost; ++i) ASSERT_TRUE(meter.Visit(i, kTable));
  const Status more = meter.Visit(kMost, kTable);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kLimit);
  EXPECT_EQ(more.error().numbers[0], kFile + TableMeter::kFreeBytes + kTable);
}

TEST(TableMeter, AskingAgainIsNoWayOn) {
  TableMeter meter(kFile);
  for (std::uint64_t i = 0; i < kMost; ++i) ASSERT_TRUE(meter.Visit(i, kTable));
  EXPECT_FALSE(meter.Visit(kMost, kTable));
  EXPECT_FALSE(meter.Visit(kMost, kTable));
  EXPECT_FALSE(meter.Visit(kMost + 1, kTable));
}

TEST(TableMeter, ATableCountsOnceWhileTheWalkIsInIt) {
  TableMeter meter(kFile);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(meter.Visit(3, kTable));
}

TEST(TableMeter, GoingBackStartsAnew) {
  TableMeter meter(kFile);
  for (int round = 0; round < 10; ++round) {
    for (std::uint64_t i = 0; i < kMost; ++i) EXPECT_TRUE(meter.Visit(i, kTable));
  }
}

TEST(TableMeter, SumsThatOverflowAreOverTheLimit) {
  TableMeter meter(UINT64_MAX - 1);
  EXPECT_TRUE(meter.Visit(0, UINT64_MAX - 1));
  EXPECT_TRUE(meter.Visit(1, UINT64_MAX));  // the budget is as large
  TableMeter small(kFile);
  EXPECT_TRUE(small.Visit(0, 1));
  EXPECT_FALSE(small.Visit(1, UINT64_MAX));
}

}  // namespace
}  // namespace instar
