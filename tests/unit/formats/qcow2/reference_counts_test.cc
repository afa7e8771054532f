#include "formats/qcow2/reference_counts.h"

#include <gtest/gtest.h>

#include "support/qcow2_image.h"

namespace instar::qcow2 {
namespace {

class Qcow2ReferenceCounts : public ::testing::Test {
 protected:
  Qcow2ReferenceCounts() : image_(16, 1 << 20), disk_(image_.file, image_.header, 1 << 20) {
    Open(10, 20, disk_);
  }
  void Open(std::uint64_t first, std::uint64_t end, DiskRefcounts& disk) {
    counts_.Open(first, end);
    EXPECT_TRUE(counts_.Prepare(first, end, disk).has_value());
  }
  bool AddOnly(std::uint64_t cluster) {
    return counts_.Claim<ReferenceCounts::Access::kAlone>(cluster, 1);
  }

  test::Qcow2Image image_;
  DiskRefcounts disk_;
  ReferenceCounts counts_;
};

TEST_F(Qcow2ReferenceCounts, ManyReferencesAreCountedLikeFew) {
  constexpr std::uint64_t kMany = 70'000;
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    ASSERT_TRUE(counts_.Add(12, UINT64_MAX));
    if (i % 2 == 0) {
      ASSERT_TRUE(counts_.Add(11, UINT64_MAX));
    }
    if (i >= 65'530 && i <= 65'540) {
      ASSERT_EQ(counts_.count(12), i);
    }
  }
  for (std::uint64_t i = 0; i < 66'000; ++i) ASSERT_TRUE(counts_.Add(10, UINT64_MAX));
  EXPECT_EQ(counts_.count(10), 66'000U);
  EXPECT_EQ(counts_.count(11), kMany / 2);
  EXPECT_EQ(counts_.count(12), kMany);
  EXPECT_EQ(counts_.count(13), 0U);
}

TEST_F(Qcow2ReferenceCounts, NoMoreIsCountedThanARefcountHolds) {
  for (std::uint64_t i = 0; i < 65'535; ++i) ASSERT_TRUE(counts_.Add(19, 65'535));
  EXPECT_FALSE(counts_.Add(19, 65'535));
  EXPECT_EQ(counts_.count(19), 65'535U);
  EXPECT_TRUE(counts_.Add(18, 1));
  EXPECT_FALSE(counts_.Add(18, 1));
}

TEST_F(Qcow2ReferenceCounts, OnlyTheFirstReferenceIsAnOnlyOne) {
  std::uint64_t one = 10;
  while (one < 20 && counts_.on_disk(one) != ReferenceCounts::OnDisk::kOne) ++one;
  EXPECT_EQ(one, 20U) << "the image counts none of these";
  EXPECT_FALSE(AddOnly(12)) << "its refcount is 0";
  EXPECT_EQ(counts_.count(12), 0U);

  image_.file.PutBe64(image_.header.refcount_table_offset, image_.At(30));
  image_.file.PutBe64(image_.At(30) + 12 * 2, 0x0001'0002'0000'0001);
  DiskRefcounts disk(image_.file, image_.header, 1 << 20);
  Open(10, 20, disk);
  EXPECT_TRUE(AddOnly(12));
  EXPECT_EQ(counts_.count(12), 1U);
  EXPECT_FALSE(AddOnly(12)) << "it has one already";
  EXPECT_FALSE(AddOnly(13)) << "its refcount is 2";
  EXPECT_FALSE(AddOnly(14));
  EXPECT_TRUE(AddOnly(15));
  EXPECT_TRUE(counts_.Add(15, UINT64_MAX));
  EXPECT_EQ(counts_.count(15), 2U);
}

TEST_F(Qcow2ReferenceCounts, AnotherWindowStartsAnew) {
  for (std::uint64_t i = 0; i < 66'000; ++i) ASSERT_TRUE(counts_.Add(15, UINT64_MAX));
  Open(15, 30, disk_);
  EXPECT_EQ(counts_.count(15), 0U);
  EXPECT_FALSE(counts_.Holds(14));
  for (std::uint64_t i = 0; i < 66'000; ++i) ASSERT_TRUE(counts_.Add(15, UINT64_MAX));
  EXPECT_EQ(counts_.count(15), 66'000U);
}

}  // namespace
}  // namespace instar::qcow2
