#include "formats/qcow2/structures/l2_entry.h"

#include <gtest/gtest.h>

namespace instar::qcow2 {
namespace {

TEST(Qcow2L2Entry, CopiedIsBit63CompressedBit62AndZeroBit0) {
  EXPECT_EQ(EncodeStandardEntry(0x50000, true), 0x8000000000050000U);
  EXPECT_EQ(EncodeStandardEntry(0x50000, false, true), 0x50001U);
  EXPECT_TRUE(IsCompressed(0x4000000000000000));
  EXPECT_FALSE(IsCompressed(0x8000000000000000));
}

TEST(Qcow2L2Entry, ReservedBitsAreNoPartOfTheOffset) {
  EXPECT_EQ(HostOffset(0xFFFFFFFFFFFFFFFF), 0x00FFFFFFFFFFFE00U);
  EXPECT_EQ(L2TableOffset(0xBF000000000501FE), 0x50000U);
}

// 64 KiB clusters: offset in bits 0 to 53, additional sectors in bits 54 to 61.
TEST(Qcow2CompressedCluster, FieldsDivideWhereTheClusterSizeSays) {
  const auto cluster = CompressedCluster::DecodeFrom(
      kCompressed | (std::uint64_t{5} << 54) | 0x123456, /*cluster_bits=*/16);
  EXPECT_EQ(cluster.offset, 0x123456U);
  EXPECT_EQ(cluster.additional_sectors, 5U);
  EXPECT_EQ(CompressedCluster::OffsetBits(9), 61U);
  EXPECT_EQ(CompressedCluster::OffsetBits(21), 49U);
}

TEST(Qcow2CompressedCluster, TheCountIsOfSectorsBeyondTheFirst) {
  const CompressedCluster one{.offset = 512, .additional_sectors = 0};
  EXPECT_EQ(one.bytes(), 512U);
  const CompressedCluster two{.offset = 1000, .additional_sectors = 1};
  EXPECT_EQ(two.bytes(), 536U);
}

TEST(Qcow2CompressedCluster, CoversExactlyTheSectorsOfItsBytes) {
  EXPECT_EQ(CompressedCluster::Covering(512, 512).additional_sectors, 0U);
  EXPECT_EQ(CompressedCluster::Covering(512, 513).additional_sectors, 1U);
  EXPECT_EQ(CompressedCluster::Covering(1023, 2).additional_sectors, 1U);
  EXPECT_EQ(CompressedCluster::Covering(1023, 1).additional_sectors, 0U);
}

TEST(Qcow2CompressedCluster, DecodesWhatItEncodesForEveryClusterSize) {
  for (unsigned bits = kMinClusterBits; bits <= kMaxClusterBits; ++bits) {
    const CompressedCluster cluster{.offset = 0x1234567,
                                    .additional_sectors = (1ULL << (bits - 8)) - 1};
    EXPECT_EQ(CompressedCluster::DecodeFrom(cluster.Encode(bits), bits), cluster) << bits;
    EXPECT_TRUE(IsCompressed(cluster.Encode(bits)));
    EXPECT_EQ(cluster.Encode(bits) & kCopied, 0U);
  }
}

TEST(Qcow2SubclusterBitmap, AllocationIsTheLowHalfAndZeroTheHighHalf) {
  const SubclusterBitmap bitmap{.allocated = 0x1, .reads_zero = 0x80000000};
  EXPECT_EQ(bitmap.Encode(), 0x8000000000000001U);
  EXPECT_EQ(SubclusterBitmap::DecodeFrom(bitmap.Encode()), bitmap);
}

}  // namespace
}  // namespace instar::qcow2
