#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "instar/map_records.h"
#include "instar/verbs.h"
#include "support/disk_image.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

using ::testing::ElementsAre;

constexpr DeviceId kTop{1};
constexpr DeviceId kBase{3};
constexpr std::uint64_t kCluster = 65536;
constexpr std::uint32_t kData = MapStretch::kPresent | MapStretch::kData | MapStretch::kHasOffset;
constexpr std::uint32_t kRawHole =
    MapStretch::kPresent | MapStretch::kZero | MapStretch::kHasOffset;

std::vector<MapStretch> Stretches(const FakeHost& host) {
  std::vector<MapStretch> found;
  WireReader reader(host.emitted());
  while (const auto field = reader.Next()) {
    if (field->tag == static_cast<std::uint32_t>(MapTag::kDisk)) continue;
    found.push_back(MapStretch::DecodeFrom(field->payload).value());
  }
  EXPECT_TRUE(reader.ok());
  return found;
}

std::vector<MapStretch> Map(FakeHost& host, MapRequest request = {.image = kTop}) {
  const Status status = RunMap(host, request);
  EXPECT_TRUE(status.has_value()) << (status ? "" : status.error().message);
  return Stretches(host);
}

TEST(Map, ARawImageTellsItsHolesAndTheirPlace) {
  FakeHost host;
  MakeRaw(host, kTop, 4 * kCluster, {{kCluster, Pattern(1, kCluster)}});
  EXPECT_THAT(Map(host),
              ElementsAre(MapStretch{.length_bytes = kCluster, .device = kTop, .flags = kRawHole},
                          MapStretch{.start = kCluster,
                                     .length_bytes = kCluster,
                                     .file_offset = kCluster,
                                     .device = kTop,
                                     .flags = kData},
                          MapStretch{.start = 2 * kCluster,
                                     .length_bytes = 2 * kCluster,
                                     .file_offset = 2 * kCluster,
                                     .device = kTop,
                                     .flags = kRawHole}));
}

TEST(Map, AHoleOfAFixedDiskIsDataThatReadsAsZeros) {
  FakeHost maker;
  maker.AddTarget(kTop);
  ASSERT_TRUE(
      RunCreate(maker, {.target = kTop,
                        .format = FormatId::kVpc,
                        .options = test::Settings(FormatId::kVpc, "subformat=fixed,force_size=on"),
                        .size_bytes = 4 * kCluster})
          .has_value());
  FakeHost host;
  host.Add(kTop).file = maker.At(kTop).file;
  EXPECT_THAT(Map(host), ElementsAre(MapStretch{.length_bytes = 4 * kCluster,
                                                .device = kTop,
                                                .flags = kRawHole | MapStretch::kData}));
}

TEST(Map, AnOverlayTellsTheDepthOfWhatDecides) {
  FakeHost host;
  MakeRaw(host, kBase, 2 * kCluster, {{0, Pattern(1, 2 * kCluster)}});
  host.AddReference("base", kBase);
  ImageBuilder(host, kTop, 4 * kCluster, "", "base", "raw")
      .Data(kCluster, Pattern(2, kCluster))
      .Finish();
  host.At(kTop).file.Resize(host.At(kTop).file.size);
  const auto told = Map(host);
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[0].depth, 1u);
  EXPECT_EQ(told[0].device, kBase);
  EXPECT_EQ(told[1].depth, 0u);
  EXPECT_EQ(told[1].device, kTop);
  EXPECT_EQ(told[2].depth, 0u) << "beyond the end of the backing file the overlay decides";
  EXPECT_EQ(told[2].flags, MapStretch::kZero);
}

TEST(Map, NeighbouringCompressedClustersAreOneStretchWithoutAPlace) {
  FakeHost host;
  ImageBuilder(host, kTop, 2 * kCluster)
      .Compressed(0, Pattern(1, kCluster))
      .Compressed(kCluster, Pattern(2, kCluster))
      .Finish();
  EXPECT_THAT(Map(host), ElementsAre(MapStretch{.length_bytes = 2 * kCluster,
                                                .flags = MapStretch::kPresent | MapStretch::kData |
                                                         MapStretch::kCompressed}));
}

TEST(Map, AWindowIsCutToTheByte) {
  FakeHost host;
  MakeRaw(host, kTop, kCluster, {{0, Pattern(1, kCluster)}});
  EXPECT_THAT(
      Map(host, {.image = kTop, .start = 100, .max_length = 50}),
      ElementsAre(MapStretch{
          .start = 100, .length_bytes = 50, .file_offset = 100, .device = kTop, .flags = kData}));
}

TEST(Map, AWindowBeyondTheEndHoldsNothing) {
  FakeHost host;
  MakeRaw(host, kTop, kCluster, {});
  EXPECT_TRUE(Map(host, {.image = kTop, .start = kCluster}).empty());
}

TEST(Map, ManyStretchesLeaveInBatches) {
  FakeHost host;
  std::vector<std::pair<std::uint64_t, Bytes>> content;
  for (std::uint64_t i = 0; i < 4000; ++i) content.emplace_back(i * 8192, Pattern(1, 4096));
  MakeRaw(host, kTop, 4000 * 8192, content);
  EXPECT_EQ(Map(host).size(), 8000u);
  EXPECT_GE(host.calls(FakeHost::Call::kEmit), 3u);
}

TEST(Map, WhatStandsBeforeAFaultIsTold) {
  FakeHost host;
  MakeRaw(host, kTop, 4 * kCluster, {{kCluster, Pattern(1, kCluster)}});
  host.Fail(FakeHost::Call::kNextRun, 2, {.code = ErrorCode::kIo, .message = "gone"});
  const Status status = RunMap(host, {.image = kTop});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(Stretches(host).size(), 1u);
}

}  // namespace
}  // namespace instar::test
