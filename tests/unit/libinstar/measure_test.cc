#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "instar/verbs.h"
#include "support/disk_image.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

using ::testing::IsEmpty;

constexpr DeviceId kTop{1};
constexpr DeviceId kBase{3};
constexpr std::uint64_t kCluster = 65536;
constexpr std::uint64_t kMiB = 1 << 20;

std::string Measured(FakeHost& host, const MeasureRequest& request) {
  const Status status = RunMeasure(host, request);
  EXPECT_TRUE(status.has_value()) << (status ? "" : status.error().message);
  return ReportText(host);
}

TEST(Measure, AnEmptyDiskNeedsNoImage) {
  FakeHost host;
  EXPECT_EQ(Measured(host, {.size_bytes = 1000}), "{required: 1024, fully-allocated: 1024}");
}

TEST(Measure, HolesOfARawFileDoNotCount) {
  FakeHost host;
  MakeRaw(host, kTop, 16 * kMiB, {{kMiB, Pattern(1, 4096)}, {9 * kMiB, Pattern(1, 4096)}});
  EXPECT_EQ(Measured(host, {.image = kTop, .target_format = FormatId::kQcow2}),
            "{required: 458752, fully-allocated: 17104896}");
}

TEST(Measure, HolesFinerThanAClusterAreNotAskedFor) {
  FakeHost host;
  std::vector<std::pair<std::uint64_t, Bytes>> pieces;
  for (std::uint64_t at = 4096; at < 16 * kMiB; at += 8192) {
    if (at / kCluster % 3 != 1) pieces.emplace_back(at, Pattern(1, 4096));
  }
  MakeRaw(host, kTop, 16 * kMiB, pieces);
  // 171 of the 256 clusters, told in 172 runs: 1, 2, 4 ... a call.
  EXPECT_EQ(Measured(host, {.image = kTop, .target_format = FormatId::kQcow2}),
            "{required: 11534336, fully-allocated: 17104896}");
  EXPECT_LE(host.calls(FakeHost::Call::kNextRun), 9U);
}

TEST(Measure, TheChainCountsAsOneDisk) {
  FakeHost host;
  MakeRaw(host, kBase, kMiB, {{0, Pattern(1, kCluster)}, {8 * kCluster, Pattern(1, kCluster)}});
  host.AddReference("base", kBase);
  ImageBuilder(host, kTop, kMiB, "", "base", "raw")
      .Zero(0, kCluster)
      .Data(2 * kCluster, Pattern(2, kCluster))
      .Finish();
  // Two clusters hold data: one of each layer. Nothing can be said of bitmaps but that there are
  // none.
  EXPECT_EQ(Measured(host, {.image = kTop, .target_format = FormatId::kQcow2}),
            "{bitmaps: 0, required: 458752, fully-allocated: 1376256}");
}

TEST(Measure, ClustersThatAreHolesOfTheirFileDoNotCount) {
  FakeHost host;
  ImageBuilder(host, kTop, 16 * kMiB, "preallocation=metadata", "", "", false)
      .Data(kMiB, Pattern(1, kCluster))
      .Finish();
  EXPECT_EQ(Measured(host, {.image = kTop, .target_format = FormatId::kQcow2}),
            "{bitmaps: 0, required: 393216, fully-allocated: 17104896}");
}

TEST(Measure, WithABackingFileAllOfTheSourceCounts) {
  FakeHost host;
  MakeRaw(host, kTop, kMiB, {});
  EXPECT_EQ(Measured(host, {.image = kTop,
                            .target_format = FormatId::kQcow2,
                            .target_options = test::Settings(FormatId::kQcow2,
                                                             "backing_file=x,backing_fmt=raw")}),
            "{required: 1376256, fully-allocated: 1376256}");
  EXPECT_THAT(host.opened(), IsEmpty());
}

TEST(Measure, AMissingBackingFileIsAnError) {
  FakeHost host;
  ImageBuilder(host, kTop, kMiB, "", "base", "raw").Finish();
  EXPECT_FALSE(RunMeasure(host, {.image = kTop}).has_value());
}

}  // namespace
}  // namespace instar::test
