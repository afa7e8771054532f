// Converting to a target that has a backing file (-B).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "instar/verbs.h"
#include "support/disk_image.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

constexpr DeviceId kSource{1};
constexpr DeviceId kBase{3};
constexpr DeviceId kTarget{9};
constexpr std::uint64_t kCluster = 65536;
constexpr std::uint64_t kMiB = 1 << 20;

class ConvertWithBacking : public ::testing::Test {
 protected:
  ConvertWithBacking() {
    host.AddReference("base", kBase);
    host.AddTarget(kTarget);
    request = {.sources = {kSource},
               .target = kTarget,
               .target_format = FormatId::kQcow2,
               .backing_name = "base",
               .backing_format = "qcow2",
               .backing = kBase,
               .workers = 2};
  }
  void Convert() {
    const Status status = RunConvert(host, request);
    ASSERT_TRUE(status.has_value()) << status.error().message;
  }
  // What the target's own layer says at `offset`.
  ChainExtent TargetAt(std::uint64_t offset) {
    const auto chain = Chain::Open(host, {.image = kTarget});
    EXPECT_TRUE(chain.has_value());
    return (*(*chain)->OpenCursor())->Next(offset, kCluster).value();
  }

  FakeHost host;
  ConvertRequest request;
};

TEST_F(ConvertWithBacking, OnlyWhatTheTopLayerHoldsIsWritten) {
  ImageBuilder(host, kBase, 8 * kMiB).Data(0, Pattern(1, 8 * kMiB)).Finish();
  ImageBuilder(host, kSource, 8 * kMiB, "", "base", "qcow2")
      .Data(kMiB, Pattern(2, kCluster))
      .Zero(2 * kMiB, kMiB)
      .Data(5 * kMiB, Pattern(3, kMiB))
      .Finish();
  const Bytes disk = ReadDisk(host, kSource, FormatId::kQcow2);
  Convert();
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), disk);
  EXPECT_EQ(TargetAt(0).depth, 1u);
  EXPECT_EQ(TargetAt(kMiB).depth, 0u);
  EXPECT_EQ(TargetAt(2 * kMiB).extent.kind, ExtentKind::kZero);
  EXPECT_EQ(TargetAt(2 * kMiB).depth, 0u);
  EXPECT_EQ(TargetAt(3 * kMiB).depth, 1u);
}

TEST_F(ConvertWithBacking, DataThatIsZeroHidesTheBackingFile) {
  ImageBuilder(host, kBase, kMiB).Data(0, Pattern(1, kMiB)).Finish();
  ImageBuilder(host, kSource, kMiB, "", "base", "qcow2").Data(0, Bytes(2 * kCluster)).Finish();
  const Bytes disk = ReadDisk(host, kSource, FormatId::kQcow2);
  Convert();
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), disk);
  EXPECT_EQ(TargetAt(0).extent.kind, ExtentKind::kZero);
}

TEST_F(ConvertWithBacking, AClusterWrittenInPartIsFilledFromTheChain) {
  ImageBuilder(host, kBase, kMiB).Data(0, Pattern(1, kMiB)).Finish();
  ImageBuilder(host, kSource, kMiB, "cluster_size=4k", "base", "qcow2")
      .Data(8192, Pattern(2, 4096))
      .Zero(kCluster + 4096, 4096)
      .Data(3 * kCluster - 4096, Pattern(3, 8192))
      .Finish();
  const Bytes disk = ReadDisk(host, kSource, FormatId::kQcow2);
  Convert();
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), disk);
  EXPECT_EQ(TargetAt(0).depth, 0u);
  EXPECT_EQ(TargetAt(4 * kCluster).depth, 1u);
}

TEST_F(ConvertWithBacking, ACompressedBackingClusterThatIsCutFillsTheRest) {
  ImageBuilder base(host, kBase, kMiB);
  for (unsigned i = 0; i < 16; ++i) base.Compressed(i * kCluster, Pattern(i, kCluster));
  base.Finish();
  ImageBuilder(host, kSource, kMiB, "cluster_size=4k", "base", "qcow2")
      .Data(3 * kCluster + 8192, Pattern(2, 4096))
      .Finish();
  const Bytes disk = ReadDisk(host, kSource, FormatId::kQcow2);
  for (const bool compress : {false, true}) {
    request.compress = compress;
    Convert();
    EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), disk);
    EXPECT_EQ(TargetAt(2 * kCluster).depth, 1u);
    EXPECT_EQ(TargetAt(3 * kCluster).depth, 0u);
  }
}

TEST_F(ConvertWithBacking, AnImageWithoutBackingFileHidesAllOfIt) {
  ImageBuilder(host, kBase, 8 * kMiB).Data(0, Pattern(1, 8 * kMiB)).Finish();
  ImageBuilder(host, kSource, 16 * kMiB).Data(kMiB, Pattern(2, kCluster)).Finish();
  const Bytes disk = ReadDisk(host, kSource, FormatId::kQcow2);
  Convert();
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), disk);
  EXPECT_EQ(TargetAt(0).extent.kind, ExtentKind::kZero);
  EXPECT_TRUE(TargetAt(0).allocated);
}

TEST_F(ConvertWithBacking, ZerosBeyondTheEndOfTheBackingFileAreLeftOut) {
  ImageBuilder(host, kBase, 8 * kMiB).Data(0, Pattern(1, 8 * kMiB)).Finish();
  ImageBuilder(host, kSource, 16 * kMiB).Zero(0, 16 * kMiB).Finish();
  Convert();
  EXPECT_TRUE(TargetAt(8 * kMiB - kCluster).allocated);
  EXPECT_FALSE(TargetAt(8 * kMiB).allocated);
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), Bytes(16 * kMiB));
}

TEST_F(ConvertWithBacking, AnOverlayLongerThanItsBackingFileEndsInZeros) {
  ImageBuilder(host, kBase, 3 * kMiB + 512).Data(0, Pattern(1, 3 * kMiB + 512)).Finish();
  ImageBuilder(host, kSource, 8 * kMiB, "", "base", "qcow2")
      .Data(4 * kMiB, Pattern(2, kCluster))
      .Finish();
  const Bytes disk = ReadDisk(host, kSource, FormatId::kQcow2);
  Convert();
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), disk);
}

TEST_F(ConvertWithBacking, ARawSourceIsWrittenInFull) {
  ImageBuilder(host, kBase, 8 * kMiB).Data(0, Pattern(1, 8 * kMiB)).Finish();
  MakeRaw(host, kSource, 8 * kMiB, {{kMiB, Pattern(2, 4096)}});
  const Bytes disk = ReadDisk(host, kSource, FormatId::kRaw);
  Convert();
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), disk);
}

TEST_F(ConvertWithBacking, AnImageOfVersion2StoresItsZeros) {
  ImageBuilder(host, kBase, 8 * kMiB).Data(0, Pattern(1, 8 * kMiB)).Finish();
  ImageBuilder(host, kSource, 8 * kMiB, "", "base", "qcow2").Zero(kMiB, 5 * kMiB).Finish();
  const Bytes disk = ReadDisk(host, kSource, FormatId::kQcow2);
  request.target_options = test::Settings(FormatId::kQcow2, "compat=0.10");
  Convert();
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), disk);
}

TEST_F(ConvertWithBacking, WithoutZeroDetectionWhatTheTopLayerLacksIsStillInherited) {
  ImageBuilder(host, kBase, 8 * kMiB).Data(0, Pattern(1, 8 * kMiB)).Finish();
  ImageBuilder(host, kSource, 8 * kMiB, "", "base", "qcow2").Zero(kMiB, kMiB).Finish();
  const Bytes disk = ReadDisk(host, kSource, FormatId::kQcow2);
  request.zero_run_bytes = 0;
  Convert();
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), disk);
  EXPECT_EQ(TargetAt(kMiB).extent.kind, ExtentKind::kData);
  EXPECT_EQ(TargetAt(4 * kMiB).depth, 1u);
}

TEST_F(ConvertWithBacking, AnUnknownBackingFormatIsRefusedBeforeTheTargetIsTouched) {
  ImageBuilder(host, kBase, kMiB).Finish();
  ImageBuilder(host, kSource, kMiB).Finish();
  request.backing_format = "qcow9";
  host.At(kTarget).touched = false;
  EXPECT_FALSE(RunConvert(host, request).has_value());
  EXPECT_FALSE(host.At(kTarget).touched);
}

}  // namespace
}  // namespace instar::test
