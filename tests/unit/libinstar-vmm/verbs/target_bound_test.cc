#include "verbs/target_bound.h"

#include <gtest/gtest.h>

namespace instar::vmm {
namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;

TEST(MostFileBytes, OfARawDiskIsTheDiskInWholeSectors) {
  EXPECT_EQ(MostFileBytes(FormatId::kRaw, 0), 0u);
  EXPECT_EQ(MostFileBytes(FormatId::kRaw, 1), 512u);
  EXPECT_EQ(MostFileBytes(FormatId::kRaw, kMebibyte), kMebibyte);
}

// 512-byte clusters with 64-bit refcounts cost 8 bytes of L2 and 8 of refcounts each.
TEST(MostFileBytes, HoldsTheDensestTablesOfQcow2) {
  const std::uint64_t disk = std::uint64_t{1} << 40;
  const std::uint64_t clusters = disk / 512;
  const std::uint64_t tables = clusters * 16 + clusters * 16 / 512 * 16 + 32 * kMebibyte;
  EXPECT_GE(MostFileBytes(FormatId::kQcow2, disk), disk + tables);
}

TEST(MostFileBytes, HoldsTwoOfTheLargestBlocksOfVhdx) {
  EXPECT_GE(MostFileBytes(FormatId::kVhdx, 1), 512 * kMebibyte);
}

TEST(MostFileBytes, OfALargerDiskThanThereAreIsNoBound) {
  EXPECT_EQ(MostFileBytes(FormatId::kQcow2, ~std::uint64_t{0}), ~std::uint64_t{0});
  EXPECT_EQ(MostFileBytes(FormatId::kRaw, ~std::uint64_t{0}), ~std::uint64_t{0});
}

}  // namespace
}  // namespace instar::vmm
