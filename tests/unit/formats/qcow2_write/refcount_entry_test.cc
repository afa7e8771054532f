#include "formats/qcow2/structures/refcount_entry.h"

#include <gtest/gtest.h>

#include <array>

namespace instar::qcow2 {
namespace {

TEST(Qcow2Refcount, OneBitEntriesArePackedFromTheLeastSignificantBit) {
  std::array<std::byte, 2> block{};
  StoreRefcount(block, 0, 0, 1);
  StoreRefcount(block, 3, 0, 1);
  StoreRefcount(block, 8, 0, 1);
  EXPECT_EQ(block[0], std::byte{0x09});
  EXPECT_EQ(block[1], std::byte{0x01});
}

TEST(Qcow2Refcount, TwoBitEntriesArePackedFromTheLeastSignificantBit) {
  std::array<std::byte, 1> block{};
  StoreRefcount(block, 0, 1, 1);
  StoreRefcount(block, 1, 1, 2);
  StoreRefcount(block, 3, 1, 3);
  EXPECT_EQ(block[0], std::byte{0xC9});
}

TEST(Qcow2Refcount, FourBitEntriesArePackedFromTheLeastSignificantBit) {
  std::array<std::byte, 1> block{};
  StoreRefcount(block, 0, 2, 0x5);
  StoreRefcount(block, 1, 2, 0xA);
  EXPECT_EQ(block[0], std::byte{0xA5});
}

TEST(Qcow2Refcount, WideEntriesAreBigEndian) {
  std::array<std::byte, 16> block{};
  StoreRefcount(block, 1, 4, 0x0102);
  EXPECT_EQ(block[2], std::byte{0x01});
  EXPECT_EQ(block[3], std::byte{0x02});
  StoreRefcount(block, 1, 6, 0x0102030405060708);
  EXPECT_EQ(block[8], std::byte{0x01});
  EXPECT_EQ(block[15], std::byte{0x08});
}

TEST(Qcow2Refcount, EveryWidthKeepsItsLargestCountAndLeavesNeighboursAlone) {
  for (unsigned order = 0; order <= 6; ++order) {
    SCOPED_TRACE(order);
    std::array<std::byte, 64> block{};
    const std::uint64_t max = MaxRefcount(order);
    for (const std::size_t index : {0U, 1U, 3U}) StoreRefcount(block, index, order, max);
    for (std::size_t index = 0; index < 5; ++index) {
      const bool stored = index == 0 || index == 1 || index == 3;
      EXPECT_EQ(LoadRefcount(block, index, order), stored ? max : 0) << index;
    }
    StoreRefcount(block, 1, order, 0);
    EXPECT_EQ(LoadRefcount(block, 0, order), max);
    EXPECT_EQ(LoadRefcount(block, 1, order), 0U);
  }
}

TEST(Qcow2Refcount, BlockCoversEightTimesItsBytesDividedByTheWidth) {
  EXPECT_EQ(RefcountsPerBlock(16, 4), 32768U);
  EXPECT_EQ(RefcountsPerBlock(9, 6), 64U);
  EXPECT_EQ(RefcountsPerBlock(21, 0), 16777216U);
}

}  // namespace
}  // namespace instar::qcow2
