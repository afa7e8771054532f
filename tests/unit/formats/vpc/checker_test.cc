#include <gtest/gtest.h>

#include "formats/vpc/format.h"
#include "support/checked_image.h"
#include "support/vhd_image.h"

namespace instar::test {
namespace {

Checked CheckOf(const MemoryDevice& device) { return CheckedImage(device, FormatId::kVpc); }

TEST(VpcChecker, FindsNothingInASoundImage) {
  VhdImage image(80, 16384);
  image.Block(2, 0xAA).Block(1, 0xBB);
  const Checked checked = CheckOf(image.Finish());
  EXPECT_TRUE(checked.findings.all.empty());
  EXPECT_EQ(checked.counts.total_clusters, 3U);
  EXPECT_EQ(checked.counts.allocated_clusters, 2U);
  EXPECT_EQ(checked.counts.image_end_offset, image.device.bytes.size());
}

TEST(VpcChecker, TwoEntriesOfOneBlockAreACorruption) {
  VhdImage image(80);
  image.Block(3, 0xAA);
  image.table[5] = image.table[3];
  EXPECT_EQ(CheckOf(image.Finish()).counts.corruptions, 1U);
}

TEST(VpcChecker, EveryBlockOutOfPlaceIsACorruption) {
  VhdImage image(80);
  image.Block(3, 0xAA);
  image.table[0] = 0;
  image.table[1] = 4;
  image.table[2] = 0x7FFFFFFF;
  EXPECT_EQ(CheckOf(image.Finish()).counts.corruptions, 3U);
}

TEST(VpcChecker, BlocksNoEntryKnowsAreLeaks) {
  VhdImage image(80);
  image.Block(3, 0xAA).Block(4, 0xBB).Block(5, 0xCC);
  image.table[3] = vpc::kUnusedEntry;
  image.table[5] = vpc::kUnusedEntry;
  const Checked checked = CheckOf(image.Finish());
  // The room for names before the first block holds one block too.
  EXPECT_EQ(checked.counts.leaks, 3U);
  EXPECT_EQ(checked.counts.corruptions, 0U);
}

TEST(VpcChecker, ALostFooterAndADamagedCopyAreCorruptions) {
  VhdImage lost(80);
  lost.Block(3, 0xAA);
  lost.Finish().bytes.resize(lost.device.bytes.size() - 512);
  EXPECT_EQ(CheckOf(lost.device).counts.corruptions, 1U);
  VhdImage damaged(80);
  damaged.Finish().bytes[100] ^= std::byte{1};
  EXPECT_EQ(CheckOf(damaged.device).counts.corruptions, 1U);
  VhdImage other(80);
  other.Finish();
  other.footer.timestamp = 7;
  other.footer.EncodeTo(std::span(other.device.bytes).first(512));
  EXPECT_EQ(CheckOf(other.device).counts.corruptions, 1U);
}

}  // namespace
}  // namespace instar::test
