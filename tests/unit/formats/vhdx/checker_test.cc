#include <gtest/gtest.h>

#include "formats/vhdx/format.h"
#include "support/checked_image.h"
#include "support/vhdx_image.h"

namespace instar::test {
namespace {

Checked CheckOf(const MemoryDevice& device) { return CheckedImage(device, FormatId::kVhdx); }

TEST(VhdxChecker, FindsNothingInASoundImage) {
  VhdxImage image;
  image.Block(2, 0xAA).Block(0, 0xBB).Entry(1, 2).Entry(3, 3);
  const Checked checked = CheckOf(image.Finish());
  EXPECT_TRUE(checked.findings.all.empty());
  EXPECT_FALSE(checked.counts.total_clusters);
}

TEST(VhdxChecker, TwoEntriesOfOneBlockAreACorruption) {
  VhdxImage image;
  image.Block(2, 0xAA).Entry(3, 6, VhdxImage::kBlocksAt);
  EXPECT_EQ(CheckOf(image.Finish()).counts.corruptions, 1U);
}

TEST(VhdxChecker, StatesAndPlacesThatCannotBeAreCorruptions) {
  VhdxImage image;
  image.Entry(0, 4).Entry(1, 5).Entry(2, 6, VhdxImage::kBatAt).Entry(3, 7, VhdxImage::kBlocksAt);
  image.Append(0);
  EXPECT_EQ(CheckOf(image.Finish()).counts.corruptions, 4U);
}

TEST(VhdxChecker, APartialBlockNeedsItsSectorBitmap) {
  VhdxImage image;
  image.Parent({{u"relative_path", u"b.vhdx"}}).Block(0, 0xAA, 7);
  EXPECT_EQ(CheckOf(image.Finish()).counts.corruptions, 1U);
  image.Entry(image.bat().BitmapEntry(0), 6, image.Append(0));
  EXPECT_EQ(CheckOf(image.device).counts.corruptions, 0U);
}

TEST(VhdxChecker, ADamagedCopyIsOnlyAWarning) {
  VhdxImage image;
  MemoryDevice& device = image.Finish();
  device.bytes[vhdx::kHeader2Offset + 100] ^= std::byte{1};
  device.bytes[vhdx::kRegionTable2Offset + 100] ^= std::byte{1};
  const Checked checked = CheckOf(device);
  EXPECT_EQ(checked.counts.corruptions, 0U);
  EXPECT_EQ(checked.findings.Count(FindingKind::kWarning), 2U);
}

}  // namespace
}  // namespace instar::test
