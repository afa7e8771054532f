#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "instar/verbs.h"
#include "support/disk_image.h"

namespace instar::test {
namespace {

using ::testing::HasSubstr;

constexpr DeviceId kFirst{1};
constexpr DeviceId kSecond{2};
constexpr std::uint64_t kCluster = 65536;
constexpr std::uint64_t kMiB = 1 << 20;

std::string Told(CompareVerdict verdict, std::uint64_t offset) {
  return "verdict: " + std::to_string(static_cast<std::uint32_t>(verdict)) +
         ", offset: " + std::to_string(offset);
}

TEST(Compare, TheLowestDifferenceIsToldWhateverTheWorkers) {
  Bytes first = Noise(1, 24 * kMiB);
  Bytes second = first;
  for (const std::uint64_t at : {23 * kMiB, 11 * kMiB + 1000, 17 * kMiB}) {
    second[at] ^= std::byte{1};
  }
  for (const unsigned workers : {1, 2, 8}) {
    FakeHost host;
    MakeRaw(host, kFirst, first.size(), {{0, first}});
    MakeRaw(host, kSecond, second.size(), {{0, second}});
    ASSERT_TRUE(
        RunCompare(host, {.first = kFirst, .second = kSecond, .workers = workers}).has_value());
    EXPECT_THAT(ReportText(host), HasSubstr(Told(CompareVerdict::kContentDiffers, 11 * kMiB + 512)))
        << workers;
  }
}

TEST(Compare, UncompressedDataStaysOnTheHost) {
  FakeHost host;
  MakeRaw(host, kFirst, 4 * kMiB, {{0, Noise(1, 4 * kMiB)}});
  ImageBuilder(host, kSecond, 4 * kMiB).Data(0, Noise(1, 4 * kMiB)).Finish();
  ASSERT_TRUE(RunCompare(host, {.first = kFirst, .second = kSecond}).has_value());
  EXPECT_THAT(ReportText(host), HasSubstr("verdict: 0"));
  EXPECT_LT(host.bytes_read(), kMiB);
  EXPECT_GE(host.calls(FakeHost::Call::kCompare), 2u);
}

TEST(Compare, ZerosAreNotRead) {
  FakeHost host;
  MakeRaw(host, kFirst, 512 * kMiB, {});
  ImageBuilder(host, kSecond, 512 * kMiB).Zero(0, 512 * kMiB).Finish();
  ASSERT_TRUE(RunCompare(host, {.first = kFirst, .second = kSecond}).has_value());
  EXPECT_THAT(ReportText(host), HasSubstr("verdict: 0"));
  EXPECT_EQ(host.calls(FakeHost::Call::kCompare), 0u);
  EXPECT_EQ(host.calls(FakeHost::Call::kScanZero), 0u);
}

TEST(Compare, WhatStandsInALongHoleOfItsFileIsNotRead) {
  FakeHost host;
  MakeRaw(host, kFirst, 512 * kMiB, {{300 * kMiB, Noise(1, kCluster)}});
  ImageBuilder image(host, kSecond, 512 * kMiB, "preallocation=metadata", "", "", false);
  image.Data(300 * kMiB, Noise(1, kCluster)).Finish();
  ASSERT_TRUE(RunCompare(host, {.first = kFirst, .second = kSecond}).has_value());
  EXPECT_THAT(ReportText(host), HasSubstr("verdict: 0"));
  EXPECT_LE(host.calls(FakeHost::Call::kScanZero), 4u);
  EXPECT_LE(host.calls(FakeHost::Call::kNextRun), 12u);
}

TEST(Compare, DataAgainstZerosIsScanned) {
  FakeHost host;
  Bytes mostly_zero(kMiB);
  mostly_zero[700'000] = std::byte{1};
  MakeRaw(host, kFirst, kMiB, {{0, mostly_zero}});
  ImageBuilder(host, kSecond, kMiB).Finish();
  ASSERT_TRUE(RunCompare(host, {.first = kFirst, .second = kSecond}).has_value());
  EXPECT_THAT(ReportText(host),
              HasSubstr(Told(CompareVerdict::kContentDiffers, 700'000 / 512 * 512)));
  EXPECT_EQ(host.calls(FakeHost::Call::kScanZero), 1u);
}

TEST(Compare, CompressedClustersAreInflated) {
  FakeHost host;
  Bytes disk = Pattern(1, 2 * kCluster);
  ImageBuilder(host, kFirst, 2 * kCluster)
      .Compressed(0, Pattern(1, kCluster))
      .Compressed(kCluster, Pattern(2, kCluster))
      .Finish();
  std::ranges::copy(Pattern(2, kCluster), disk.begin() + kCluster);
  disk[kCluster + 5000] ^= std::byte{8};
  MakeRaw(host, kSecond, disk.size(), {{0, disk}});
  ASSERT_TRUE(RunCompare(host, {.first = kFirst, .second = kSecond}).has_value());
  EXPECT_THAT(ReportText(host),
              HasSubstr(Told(CompareVerdict::kContentDiffers, (kCluster + 5000) / 512 * 512)));
}

TEST(Compare, WhatTheShorterDiskLacksIsZeros) {
  FakeHost host;
  MakeRaw(host, kFirst, kMiB, {{0, Pattern(1, kMiB)}});
  Bytes longer = Pattern(1, kMiB);
  longer.resize(2 * kMiB);
  MakeRaw(host, kSecond, longer.size(), {{0, longer}});
  ASSERT_TRUE(RunCompare(host, {.first = kFirst, .second = kSecond}).has_value());
  EXPECT_THAT(ReportText(host), HasSubstr("first-size: 1048576, second-size: 2097152, verdict: 0"));
}

TEST(Compare, StrictModeWantsTheSameSizeAndAllocation) {
  FakeHost host;
  MakeRaw(host, kFirst, kMiB, {});
  ImageBuilder(host, kSecond, kMiB).Finish();
  ASSERT_TRUE(RunCompare(host, {.first = kFirst, .second = kSecond, .strict = true}).has_value());
  EXPECT_THAT(ReportText(host), HasSubstr(Told(CompareVerdict::kAllocationDiffers, 0)));

  FakeHost other;
  MakeRaw(other, kFirst, kMiB, {});
  MakeRaw(other, kSecond, 2 * kMiB, {});
  ASSERT_TRUE(RunCompare(other, {.first = kFirst, .second = kSecond, .strict = true}).has_value());
  EXPECT_THAT(ReportText(other), HasSubstr(Told(CompareVerdict::kSizesDiffer, 0)));
}

TEST(Compare, AFailingReadIsToldUnlessADifferenceLiesBefore) {
  for (const bool differs : {false, true}) {
    FakeHost host;
    Bytes second = Noise(1, 8 * kMiB);
    if (differs) second[100] ^= std::byte{1};
    MakeRaw(host, kFirst, 8 * kMiB, {{0, Noise(1, 8 * kMiB)}});
    MakeRaw(host, kSecond, 8 * kMiB, {{0, second}});
    host.At(kSecond).unreadable.emplace_back(6 * kMiB, 512);
    const Status status = RunCompare(host, {.first = kFirst, .second = kSecond, .workers = 4});
    EXPECT_EQ(status.has_value(), differs);
    EXPECT_THAT(ReportText(host),
                HasSubstr(differs ? Told(CompareVerdict::kContentDiffers, 0)
                                  : Told(CompareVerdict::kDataUnreadable, 6 * kMiB)));
  }
}

TEST(Compare, AnImageThatDoesNotOpenTellsNothing) {
  FakeHost host;
  MakeRaw(host, kFirst, kMiB, {});
  MakeRaw(host, kSecond, kMiB, {});
  const Status status = RunCompare(host, {.first = kFirst, .second = {kSecond, FormatId::kQcow2}});
  EXPECT_FALSE(status.has_value());
  EXPECT_TRUE(host.emitted().empty());
}

}  // namespace
}  // namespace instar::test
