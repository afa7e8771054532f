// Data of an image that stands in holes of its file.
#include <gtest/gtest.h>

#include "instar/verbs.h"
#include "support/disk_image.h"

namespace instar::test {
namespace {

constexpr DeviceId kSource{1};
constexpr DeviceId kTarget{9};
constexpr std::uint64_t kMiB = 1 << 20;

TEST(ConvertHoles, WhatStandsInALongHoleIsSteppedOver) {
  FakeHost host;
  ImageBuilder image(host, kSource, 128 * kMiB, "preallocation=metadata", "", "", false);
  image.Data(3 * kMiB, Pattern(1, 65536));
  image.Data(100 * kMiB + 65536, Pattern(2, 2 * kMiB));
  const Bytes disk = image.Finish();
  host.AddTarget(kTarget);
  ASSERT_TRUE(
      RunConvert(host, {.sources = {kSource}, .target = kTarget, .target_format = FormatId::kRaw})
          .has_value());
  EXPECT_LE(host.calls(FakeHost::Call::kScanZero), 4U);
  EXPECT_LE(host.calls(FakeHost::Call::kNextRun), 8U);
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kRaw), disk);
}

TEST(ConvertHoles, ShortHolesAreNotLookedForInEveryChunk) {
  FakeHost host;
  ImageBuilder image(host, kSource, 64 * kMiB, "preallocation=metadata", "", "", false);
  for (std::uint64_t at = 0; at < 64 * kMiB; at += kMiB) image.Data(at, Pattern(1, 65536));
  const Bytes disk = image.Finish();
  host.AddTarget(kTarget);
  ASSERT_TRUE(
      RunConvert(host, {.sources = {kSource}, .target = kTarget, .target_format = FormatId::kRaw})
          .has_value());
  EXPECT_LE(host.calls(FakeHost::Call::kNextRun), 4U);
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kRaw), disk);
}

TEST(ConvertHoles, OfARawFileOnlyLongOnesAreLookedFor) {
  for (const FormatId format : {FormatId::kRaw, FormatId::kQcow2}) {
    FakeHost host;
    SparseFile& file = host.Add(kSource).file;
    // 64 MiB with a hole in each, then nothing for long, then a little.
    for (std::uint64_t at = 0; at < 64 * kMiB; at += kMiB) file.Write(at, Pattern(1, 65536));
    file.Write(255 * kMiB, Pattern(2, 65536));
    file.Resize(256 * kMiB);
    host.AddTarget(kTarget);
    ASSERT_TRUE(RunConvert(host, {.sources = {ImageSource{kSource, FormatId::kRaw}},
                                  .target = kTarget,
                                  .target_format = format})
                    .has_value());
    EXPECT_LE(host.calls(FakeHost::Call::kNextRun), 8U);
    EXPECT_LE(host.calls(FakeHost::Call::kScanZero), 10U);
    EXPECT_EQ(ReadDisk(host, kTarget, format), ReadDisk(host, kSource, FormatId::kRaw));
  }
}

// To change the length of a file that holds something makes file systems write it out.
TEST(ConvertHoles, ARawTargetGetsItsLengthOnce) {
  FakeHost host;
  host.Add(kSource).file.Resize(64 * kMiB);
  host.At(kSource).file.Write(kMiB, Pattern(1, 65536));
  host.AddTarget(kTarget);
  ASSERT_TRUE(RunConvert(host, {.sources = {ImageSource{kSource, FormatId::kRaw}},
                                .target = kTarget,
                                .target_format = FormatId::kRaw})
                  .has_value());
  EXPECT_EQ(host.calls(FakeHost::Call::kResize), 1U);
}

}  // namespace
}  // namespace instar::test
