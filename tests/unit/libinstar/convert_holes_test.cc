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

}  // namespace
}  // namespace instar::test
