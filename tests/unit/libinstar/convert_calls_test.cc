// What a conversion asks of its host: as little as it can.
#include <gtest/gtest.h>

#include "libinstar/conversion.h"

namespace instar::test {
namespace {

// Converts the image that `maker` holds to raw with so many workers, and expects that it is `disk`.
// What that asked of the host, `host` has counted.
void ExpectMoves(FakeHost& maker, const Bytes& disk, unsigned workers, FakeHost& host) {
  host.Add(kSource).file = maker.At(kSource).file;
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.workers = workers;
  ExpectConverts(host, request);
  EXPECT_EQ(FileOf(host, kTarget), disk);
}

TEST(Convert, HolesOfAnySizeCostNoCalls) {
  FakeHost host;
  constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
  MakeRaw(host, kSource, 64 * kTiB, {{0, Pattern(1, 4096)}, {32 * kTiB, Pattern(2, 4096)}});
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.workers = 2;
  ExpectConverts(host, request);
  // One for the first chunk alone: whether that is shared decides how many go on.
  EXPECT_LE(host.calls(FakeHost::Call::kTransfer), 3u);
  EXPECT_LT(host.calls(FakeHost::Call::kNextRun), 10u);
  EXPECT_EQ(host.At(kTarget).file.size, 64 * kTiB);
  EXPECT_EQ(host.At(kTarget).file.allocated_bytes(), 8192u);
}

TEST(Convert, AClaimCostsOneScanAndOneTransfer) {
  FakeHost host;
  MakeRaw(host, kSource, 64 * kMiB, {{0, Pattern(1, 64 * kMiB)}});
  host.AddTarget(kTarget);
  ExpectConverts(host, To(FormatId::kQcow2));
  // Shorter and shorter ones towards the end.
  EXPECT_LE(host.calls(FakeHost::Call::kScanZero), 14u);
  EXPECT_EQ(host.calls(FakeHost::Call::kTransfer), host.calls(FakeHost::Call::kScanZero));
  EXPECT_LE(host.calls(FakeHost::Call::kNextRun), 3u);
}

TEST(Convert, DataOfAFormatIsClaimedInLongStretches) {
  FakeHost maker;
  const Bytes disk =
      ImageBuilder(maker, kSource, 256 * kMiB).Data(kMiB, Noise(1, 64 * kMiB)).Finish();
  FakeHost host;
  host.Add(kSource).file = maker.At(kSource).file;
  host.AddTarget(kTarget);
  ExpectConverts(host, To(FormatId::kQcow2));
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), disk);
  EXPECT_LE(host.calls(FakeHost::Call::kScanZero), 8u);
  EXPECT_LE(host.calls(FakeHost::Call::kTransfer), 8u);
}

TEST(Convert, ShortHolesThatCountFitWhateverTheWorkers) {
  FakeHost maker;
  std::vector<std::pair<std::uint64_t, Bytes>> runs;
  for (std::uint64_t at = 0; at < 64 * kMiB; at += 2048) runs.emplace_back(at, Pattern(1, 1024));
  MakeRaw(maker, kSource, 64 * kMiB, runs);
  for (const unsigned workers : {1u, 4u}) {
    FakeHost host;
    host.Add(kSource).file = maker.At(kSource).file;
    host.AddTarget(kTarget);
    ConvertRequest request = To(FormatId::kQcow2);
    request.workers = workers;
    request.zero_run_bytes = 65536;
    ExpectConverts(host, request);
  }
}

TEST(Convert, ShortRunsOfARawDiskAreClaimedInLongStretches) {
  FakeHost host;
  std::vector<std::pair<std::uint64_t, Bytes>> runs;
  for (std::uint64_t at = 0; at < 256 * kMiB; at += kMiB) {
    runs.emplace_back(at, Pattern(1, kMiB / 2));
  }
  MakeRaw(host, kSource, 256 * kMiB, runs);
  host.AddTarget(kTarget);
  ExpectConverts(host, To(FormatId::kQcow2));
  EXPECT_LE(host.calls(FakeHost::Call::kScanZero), 28u);
}

TEST(Convert, ScatteredDataOfARawDiskIsClaimedInLongerStretchesYet) {
  FakeHost host;
  std::vector<std::pair<std::uint64_t, Bytes>> runs;
  for (std::uint64_t at = 0; at < 1024 * kMiB; at += kMiB) runs.emplace_back(at, Pattern(1, 4096));
  MakeRaw(host, kSource, 1024 * kMiB, runs);
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kQcow2);
  request.workers = 1;
  ExpectConverts(host, request);
  EXPECT_LE(host.calls(FakeHost::Call::kScanZero), 40u);
}

TEST(Convert, MovesThatNothingLooksIntoAreCollectedOverManyChunks) {
  FakeHost maker;
  ImageBuilder image(maker, kSource, 128 * kMiB);
  for (std::uint64_t at = 0; at < 128 * kMiB; at += 2 * kCluster)
    image.Data(at, Noise(1, kCluster));
  const Bytes disk = image.Finish();
  for (const unsigned workers : {1u, 3u}) {
    FakeHost host;
    ExpectMoves(maker, disk, workers, host);
    EXPECT_LE(host.calls(FakeHost::Call::kTransfer), 16u + 8 * workers);
  }
}

TEST(Convert, DataThatNothingLooksIntoIsMovedInLongStretches) {
  FakeHost maker;
  const Bytes disk = ImageBuilder(maker, kSource, 64 * kMiB)
                         .Data(kMiB, Noise(1, 24 * kMiB))
                         .Data(26 * kMiB + kCluster, Noise(2, 37 * kMiB))
                         .Finish();
  for (const unsigned workers : {1u, 2u}) {
    FakeHost host;
    ExpectMoves(maker, disk, workers, host);
    EXPECT_EQ(host.calls(FakeHost::Call::kScanZero), 0u);
    // Shorter ones at the end, and the more workers there are.
    EXPECT_LE(host.calls(FakeHost::Call::kTransfer), 12u + 6 * workers);
  }
}

TEST(Convert, SharedBlocksAreOneWorkersWorkInFewCalls) {
  FakeHost host;
  ImageBuilder image(host, kSource, 256 * kMiB);
  for (std::uint64_t at = 0; at < 256 * kMiB; at += 16 * kMiB) {
    image.Data(at, Noise(1, 3 * kMiB));
  }
  const Bytes disk = image.Finish();
  host.AddTarget(kTarget).shares_with = kSource;
  ConvertRequest request = To(FormatId::kRaw);
  request.workers = 4;
  ExpectConverts(host, request);
  EXPECT_EQ(FileOf(host, kTarget), disk);
  EXPECT_EQ(host.calls(FakeHost::Call::kTransfer), 2u);
  EXPECT_EQ(host.calls(FakeHost::Call::kParallel), 0u);
}

TEST(Convert, AllWorkersMoveWhatIsNotShared) {
  for (const DeviceId shared : {kSource, kSource2}) {
    FakeHost host;
    MakeRaw(host, kSource, 16 * kMiB, {{0, Pattern(1, 16 * kMiB)}});
    MakeRaw(host, kSource2, 16 * kMiB, {{0, Pattern(2, 16 * kMiB)}});
    host.AddTarget(kTarget).shares_with = shared;
    ConvertRequest request = To(FormatId::kRaw);
    request.sources = {kSource, kSource2};
    request.workers = 4;
    ExpectConverts(host, request);
    EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kRaw).size(), 32 * kMiB);
    EXPECT_EQ(host.calls(FakeHost::Call::kParallel), 1u);
    EXPECT_EQ(host.workers_used(), 4u);
  }
}

TEST(Convert, WhatFailsBeforeTheOthersBeginIsToldOnce) {
  FakeHost host;
  MakeRaw(host, kSource, 16 * kMiB, {{0, Pattern(1, 16 * kMiB)}});
  host.AddTarget(kTarget);
  host.Fail(FakeHost::Call::kTransfer, 1, {.code = ErrorCode::kNoSpace, .message = "full"});
  ConvertRequest request = To(FormatId::kRaw);
  request.workers = 4;
  EXPECT_EQ(ErrorOf(host, request).code, ErrorCode::kNoSpace);
  EXPECT_EQ(host.calls(FakeHost::Call::kParallel), 0u);
}

TEST(Convert, AFreshRawTargetIsNotScannedAtAll) {
  FakeHost host;
  MakeMixedQcow2(host, kSource);
  host.AddTarget(kTarget);
  ExpectConverts(host, To(FormatId::kRaw));
  EXPECT_EQ(host.calls(FakeHost::Call::kScanZero), 0u);
}

TEST(Convert, UncompressedDataNeverEntersMemory) {
  FakeHost host;
  ImageBuilder(host, kSource, 32 * kMiB).Data(0, Pattern(1, 32 * kMiB)).Finish();
  host.AddTarget(kTarget);
  const std::uint64_t before = host.bytes_read();
  ExpectConverts(host, To(FormatId::kQcow2));
  EXPECT_LT(host.bytes_read() - before, kMiB);
}

TEST(Convert, CompressedUnitsAreReadInBatches) {
  FakeHost host;
  ImageBuilder image(host, kSource, 8 * kMiB);
  for (unsigned i = 0; i < 128; ++i) image.Compressed(i * kCluster, Pattern(i, kCluster));
  image.Finish();
  host.AddTarget(kTarget);
  const unsigned before = host.calls(FakeHost::Call::kRead);
  ExpectConverts(host, To(FormatId::kRaw));
  EXPECT_LE(host.calls(FakeHost::Call::kRead) - before, 16u);
}

TEST(Convert, CompressedUnitsThatAnOverlayCutsAreReadOnceAChunk) {
  FakeHost host;
  host.AddReference("base", kBase);
  ImageBuilder base(host, kBase, 4 * kMiB, "cluster_size=2M");
  base.Compressed(0, Pattern(1, 2 * kMiB)).Compressed(2 * kMiB, Pattern(2, 2 * kMiB));
  Bytes expected = base.Finish();
  ImageBuilder top(host, kSource, 4 * kMiB, "", "base", "qcow2");
  for (unsigned i = 1; i < 60; i += 4) {
    top.Data(i * kCluster, Pattern(i, kCluster));
    std::ranges::copy(Pattern(i, kCluster), expected.begin() + i * kCluster);
  }
  top.Finish();
  host.AddTarget(kTarget);
  const std::uint64_t before = host.bytes_read();
  ExpectConverts(host, To(FormatId::kRaw));
  EXPECT_EQ(FileOf(host, kTarget), expected);
  EXPECT_LT(host.bytes_read() - before, 4 * kMiB);
}

TEST(Convert, ProgressNeverDecreasesAndEndsAtTheTotal) {
  FakeHost host;
  MakeRaw(host, kSource, 300 * kMiB, {{0, Pattern(1, 30 * kMiB)}, {290 * kMiB, Pattern(2, kMiB)}});
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kQcow2);
  request.workers = 4;
  ExpectConverts(host, request);
  EXPECT_TRUE(std::ranges::is_sorted(host.progress()));
  EXPECT_EQ(host.progress().back(), 300 * kMiB);
  EXPECT_EQ(host.progress_total(), 300 * kMiB);
  EXPECT_LE(host.progress().size(), 102u);
}

TEST(Convert, WorkersAreNoMoreThanTheHostHasNorThanChunks) {
  FakeHost host;
  host.set_max_workers(2);
  MakeRaw(host, kSource, 64 * kMiB, {{0, Pattern(1, 64 * kMiB)}});
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.workers = 16;
  ExpectConverts(host, request);
  EXPECT_EQ(host.workers_used(), 2u);

  FakeHost small;
  MakeRaw(small, kSource, kMiB, {{0, Pattern(1, kMiB)}});
  small.AddTarget(kTarget);
  ExpectConverts(small, request);
  EXPECT_EQ(small.calls(FakeHost::Call::kParallel), 0u);
}

}  // namespace
}  // namespace instar::test
