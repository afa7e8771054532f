#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "instar/verbs.h"
#include "support/disk_image.h"

namespace instar::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr DeviceId kSource{1};
constexpr DeviceId kSource2{2};
constexpr DeviceId kBase{3};
constexpr DeviceId kDataFile{4};
constexpr DeviceId kTarget{9};
constexpr std::uint64_t kCluster = 65536;
constexpr std::uint64_t kMiB = 1 << 20;

ConvertRequest To(FormatId format) {
  return {.sources = {kSource}, .target = kTarget, .target_format = format};
}

void ExpectConverts(FakeHost& host, const ConvertRequest& request) {
  const Status status = RunConvert(host, request);
  EXPECT_TRUE(status.has_value()) << (status ? "" : status.error().message);
}

Error ErrorOf(FakeHost& host, const ConvertRequest& request) {
  const Status status = RunConvert(host, request);
  EXPECT_FALSE(status.has_value());
  return status ? Error{} : status.error();
}

// The first bytes of a raw target.
Bytes FileOf(FakeHost& host, DeviceId id) {
  Bytes bytes(host.At(id).file.size);
  host.At(id).file.Read(0, bytes);
  return bytes;
}

// 9 MiB of everything a qcow2 image can hold, with odd boundaries against chunks and blocks.
Bytes MakeMixedQcow2(FakeHost& host, DeviceId id, const std::string& options = "") {
  ImageBuilder image(host, id, 9 * kMiB + 512, options);
  Bytes sparse = Pattern(3, 4 * kCluster);
  std::fill_n(sparse.begin() + 4096, 8192, std::byte{0});
  std::fill_n(sparse.begin() + kCluster + 512, 1024, std::byte{0});
  std::fill_n(sparse.begin() + 2 * kCluster, kCluster, std::byte{0});
  image.Data(0, Pattern(1, kCluster));
  image.Data(3 * kCluster, sparse);
  image.Zero(10 * kCluster, 2 * kCluster);
  for (unsigned i = 0; i < 40; ++i) image.Compressed(2 * kMiB + i * kCluster, Pattern(i, kCluster));
  image.Data(6 * kMiB - kCluster, Noise(5, 3 * kCluster));
  image.Compressed(7 * kMiB, Bytes(kCluster));  // zeros, compressed
  image.Data(9 * kMiB, Pattern(6, 512));
  return image.Finish();
}

struct Way {
  const char* name;
  FormatId format;
  const char* options;
  bool compress;
  std::uint64_t sparse_bytes;
};

class ConvertEveryWay : public ::testing::TestWithParam<Way> {};

TEST_P(ConvertEveryWay, TheTargetShowsTheSourceWhateverTheNumberOfWorkers) {
  FakeHost maker;
  const Bytes disk = MakeMixedQcow2(maker, kSource);
  std::optional<SparseFile> first;
  for (const unsigned workers : {1u, 2u, 4u}) {
    FakeHost host;
    host.Add(kSource).file = maker.At(kSource).file;
    host.AddTarget(kTarget).file.Write(0, Noise(7, 12 * kMiB));  // truncated by the conversion
    ConvertRequest request = To(GetParam().format);
    request.target_options = GetParam().options;
    request.compress = GetParam().compress;
    request.sparse_bytes = GetParam().sparse_bytes;
    request.workers = workers;
    ExpectConverts(host, request);
    EXPECT_EQ(ReadDisk(host, kTarget, GetParam().format), disk);
    EXPECT_EQ(host.workers_used(), workers);
    if (!first) first = host.At(kTarget).file;
    EXPECT_EQ(host.At(kTarget).file, *first) << workers << " workers";
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ConvertEveryWay,
    ::testing::Values(Way{"Raw", FormatId::kRaw, "", false, 4096},
                      Way{"RawDense", FormatId::kRaw, "", false, 0},
                      Way{"RawLongRuns", FormatId::kRaw, "", false, 1 << 20},
                      Way{"Qcow2", FormatId::kQcow2, "", false, 4096},
                      Way{"Qcow2Sector", FormatId::kQcow2, "", false, 512},
                      Way{"Qcow2Dense", FormatId::kQcow2, "", false, 0},
                      Way{"Qcow2Small", FormatId::kQcow2, "cluster_size=512", false, 4096},
                      Way{"Qcow2Large", FormatId::kQcow2, "cluster_size=2M", false, 4096},
                      Way{"Qcow2Extended", FormatId::kQcow2, "extended_l2=on,cluster_size=128k",
                          false, 4096},
                      Way{"Qcow2V2", FormatId::kQcow2, "compat=0.10", false, 4096},
                      Way{"Qcow2Prealloc", FormatId::kQcow2, "preallocation=metadata", false, 4096},
                      Way{"Compressed", FormatId::kQcow2, "", true, 4096},
                      Way{"CompressedDense", FormatId::kQcow2, "", true, 0},
                      Way{"CompressedZstd", FormatId::kQcow2, "compression_type=zstd", true, 4096},
                      Way{"CompressedLarge", FormatId::kQcow2, "cluster_size=2M", true, 4096}),
    [](const auto& way) { return way.param.name; });

TEST(Convert, ARawSourceOfOddLengthIsRoundedUpToASector) {
  FakeHost host;
  MakeRaw(host, kSource, 1000, {{0, Pattern(1, 1000)}});
  host.AddTarget(kTarget);
  ExpectConverts(host, To(FormatId::kRaw));
  Bytes expected = Pattern(1, 1000);
  expected.resize(1024);
  EXPECT_EQ(FileOf(host, kTarget), expected);
}

TEST(Convert, SeveralSourcesFollowOneAnother) {
  FakeHost host;
  MakeRaw(host, kSource, 3 * kMiB + 1000, {{0, Pattern(1, 3 * kMiB + 1000)}});
  MakeRaw(host, kSource2, 2 * kMiB, {{kMiB, Pattern(2, kMiB)}});
  for (const FormatId format : {FormatId::kRaw, FormatId::kQcow2}) {
    host.AddTarget(kTarget);
    ConvertRequest request = To(format);
    request.sources = {kSource, kSource2};
    request.workers = 3;
    ExpectConverts(host, request);
    // The first ends with its last sector, 24 bytes into which it has no more.
    Bytes expected(5 * kMiB + 1024);
    std::ranges::copy(Pattern(1, 3 * kMiB + 1000), expected.begin());
    std::ranges::copy(Pattern(2, kMiB), expected.begin() + 4 * kMiB + 1024);
    EXPECT_EQ(ReadDisk(host, kTarget, format), expected);
  }
}

TEST(Convert, AnEmptySourceMakesAnEmptyDisk) {
  FakeHost host;
  MakeRaw(host, kSource, 0, {});
  host.AddTarget(kTarget);
  ExpectConverts(host, To(FormatId::kRaw));
  EXPECT_EQ(host.At(kTarget).file.size, 0u);
  ExpectConverts(host, To(FormatId::kQcow2));
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), Bytes{});
}

TEST(Convert, HolesOfAnySizeCostNoCalls) {
  FakeHost host;
  constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
  MakeRaw(host, kSource, 64 * kTiB, {{0, Pattern(1, 4096)}, {32 * kTiB, Pattern(2, 4096)}});
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.workers = 2;
  ExpectConverts(host, request);
  EXPECT_EQ(host.calls(FakeHost::Call::kTransfer), 2u);
  EXPECT_LT(host.calls(FakeHost::Call::kNextRun), 10u);
  EXPECT_EQ(host.At(kTarget).file.size, 64 * kTiB);
  EXPECT_EQ(host.At(kTarget).file.allocated_bytes(), 8192u);
}

TEST(Convert, AChunkCostsOneScanAndOneTransfer) {
  FakeHost host;
  MakeRaw(host, kSource, 64 * kMiB, {{0, Pattern(1, 64 * kMiB)}});
  host.AddTarget(kTarget);
  ExpectConverts(host, To(FormatId::kQcow2));
  EXPECT_EQ(host.calls(FakeHost::Call::kScanZero), 32u);
  EXPECT_EQ(host.calls(FakeHost::Call::kTransfer), 32u);
  EXPECT_LE(host.calls(FakeHost::Call::kNextRun), 2u);
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

TEST(Convert, ZeroRunsOfTheGivenLengthBecomeHoles) {
  FakeHost host;
  Bytes data = Pattern(1, kMiB);
  std::fill_n(data.begin() + 8192, 4096, std::byte{0});
  std::fill_n(data.begin() + 512 * 1024, 65536, std::byte{0});
  MakeRaw(host, kSource, kMiB, {{0, data}});
  const auto allocated = [&](std::uint64_t sparse_bytes) {
    host.AddTarget(kTarget);
    ConvertRequest request = To(FormatId::kRaw);
    request.sparse_bytes = sparse_bytes;
    ExpectConverts(host, request);
    EXPECT_EQ(FileOf(host, kTarget), data);
    return host.At(kTarget).file.allocated_bytes();
  };
  EXPECT_EQ(allocated(4096), kMiB - 4096 - 65536);
  EXPECT_EQ(allocated(65536), kMiB - 65536);
  EXPECT_EQ(allocated(131072), kMiB);
}

TEST(Convert, WithoutZeroDetectionEverythingIsStored) {
  FakeHost host;
  ImageBuilder(host, kSource, 4 * kMiB).Zero(0, kMiB).Data(kMiB, Pattern(1, kCluster)).Finish();
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.sparse_bytes = 0;
  ExpectConverts(host, request);
  EXPECT_EQ(host.At(kTarget).file.allocated_bytes(), 4 * kMiB);
}

TEST(Convert, AClusterOfZerosIsNotAllocated) {
  FakeHost host;
  Bytes data = Pattern(1, 4 * kCluster);
  std::fill_n(data.begin() + kCluster, kCluster, std::byte{0});
  MakeRaw(host, kSource, 4 * kCluster, {{0, data}});
  host.AddTarget(kTarget);
  ExpectConverts(host, To(FormatId::kQcow2));
  const auto chain = Chain::Open(host, {.image = kTarget});
  const auto cursor = (*chain)->OpenCursor();
  EXPECT_FALSE((*cursor)->Next(kCluster, kCluster)->allocated);
  EXPECT_TRUE((*cursor)->Next(2 * kCluster, kCluster)->allocated);
}

TEST(Convert, ZeroRunsAreLookedForAtMultiplesOfTheirLengthOnTheTarget) {
  FakeHost host;
  MakeRaw(host, kSource, 1536, {{0, Pattern(1, 1536)}});
  Bytes second = Pattern(2, kCluster);
  std::fill_n(second.begin() + 12288 - 1536, 4096, std::byte{0});
  MakeRaw(host, kSource2, kCluster, {{0, second}});
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kQcow2);
  request.sources = {kSource, kSource2};
  request.target_options = "cluster_size=4k";
  ExpectConverts(host, request);
  const auto chain = Chain::Open(host, {.image = kTarget});
  const auto cursor = (*chain)->OpenCursor();
  EXPECT_EQ((*cursor)->Next(0, kMiB)->extent.length_bytes, 12288u);
  const ChainExtent hole = (*cursor)->Next(12288, kMiB).value();
  EXPECT_FALSE(hole.allocated);
  EXPECT_EQ(hole.extent.length_bytes, 4096u);
}

TEST(Convert, DataInScatteredSectorsIsFoundWhole) {
  FakeHost host;
  ImageBuilder image(host, kSource, 4 * kMiB, "cluster_size=512");
  for (unsigned i = 1; i < 8192; i += 3) image.Data(i * 512, Pattern(i, 512));
  const Bytes disk = image.Finish();
  for (const FormatId format : {FormatId::kRaw, FormatId::kQcow2}) {
    host.AddTarget(kTarget);
    ConvertRequest request = To(format);
    request.workers = 2;
    ExpectConverts(host, request);
    EXPECT_EQ(ReadDisk(host, kTarget, format), disk);
  }
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

TEST(Convert, WhatDoesNotCompressIsStoredPlain) {
  FakeHost host;
  MakeRaw(host, kSource, 4 * kCluster, {{0, Noise(1, 4 * kCluster)}});
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kQcow2);
  request.compress = true;
  ExpectConverts(host, request);
  const auto chain = Chain::Open(host, {.image = kTarget});
  EXPECT_EQ((*(*chain)->OpenCursor())->Next(0, kCluster)->extent.kind, ExtentKind::kData);
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), Noise(1, 4 * kCluster));
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

TEST(Convert, OutOfOrderWritesGiveTheSameRawDisk) {
  FakeHost host;
  const Bytes disk = MakeMixedQcow2(host, kSource);
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.out_of_order = true;
  request.workers = 4;
  ExpectConverts(host, request);
  EXPECT_EQ(FileOf(host, kTarget), disk);
}

TEST(Convert, ASourceOfAStatedFormatIsNotProbed) {
  FakeHost host;
  ImageBuilder(host, kSource, kMiB).Data(0, Pattern(1, kCluster)).Finish();
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.sources.front().format = FormatId::kRaw;
  ExpectConverts(host, request);
  Bytes source = FileOf(host, kSource);
  source.resize(host.At(kTarget).file.size);
  EXPECT_EQ(FileOf(host, kTarget), source);
}

TEST(Convert, AnExistingRawTargetIsOverwrittenWithZerosToo) {
  FakeHost host;
  const Bytes disk = MakeMixedQcow2(host, kSource);
  FakeHost::Device& target = host.Add(kTarget);
  target.writable = true;
  target.file.Write(0, Noise(1, 10 * kMiB));
  ConvertRequest request = To(FormatId::kRaw);
  request.keep_target = true;
  request.workers = 3;
  ExpectConverts(host, request);
  Bytes expected = Noise(1, 10 * kMiB);
  std::ranges::copy(disk, expected.begin());
  EXPECT_EQ(FileOf(host, kTarget), expected);
}

TEST(Convert, ALargeHoleInAnExistingTargetIsZeroedInOneStep) {
  FakeHost host;
  constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
  MakeRaw(host, kSource, 8 * kTiB, {{kTiB, Pattern(1, 4096)}});
  FakeHost::Device& target = host.Add(kTarget);
  target.writable = true;
  target.file.Write(4096, Noise(1, 4096));
  target.file.Write(7 * kTiB, Noise(1, 4096));
  target.file.Resize(8 * kTiB);
  ConvertRequest request = To(FormatId::kRaw);
  request.keep_target = true;
  ExpectConverts(host, request);
  EXPECT_EQ(target.file.allocated_bytes(), 4096u);
  EXPECT_LT(host.calls(FakeHost::Call::kTransfer), 6u);
}

TEST(Convert, AnExistingTargetSaidToBeZeroGetsDataOnly) {
  FakeHost host;
  MakeRaw(host, kSource, 4 * kMiB, {{kMiB, Pattern(1, 4096)}});
  FakeHost::Device& target = host.Add(kTarget);
  target.writable = true;
  target.file.Resize(4 * kMiB);
  ConvertRequest request = To(FormatId::kRaw);
  request.keep_target = true;
  request.target_is_zero = true;
  ExpectConverts(host, request);
  EXPECT_EQ(target.file.allocated_bytes(), 4096u);
  EXPECT_EQ(host.calls(FakeHost::Call::kTransfer), 1u);
}

TEST(Convert, AnExistingTargetThatIsTooSmallIsLeftAlone) {
  FakeHost host;
  MakeRaw(host, kSource, 4 * kMiB, {{0, Pattern(1, 4096)}});
  FakeHost::Device& target = host.Add(kTarget);
  target.writable = true;
  target.file.Resize(2 * kMiB);
  ConvertRequest request = To(FormatId::kRaw);
  request.keep_target = true;
  EXPECT_EQ(ErrorOf(host, request).device, kTarget);
  EXPECT_FALSE(target.touched);
}

TEST(Convert, AnExistingQcow2TargetShowsTheSourceAndKeepsWhatLiesBeyondIt) {
  FakeHost host;
  const Bytes disk = MakeMixedQcow2(host, kSource);
  ImageBuilder target(host, kTarget, 12 * kMiB, "cluster_size=4k");
  Bytes expected = target.Data(0, Noise(1, 12 * kMiB)).Finish();
  std::ranges::copy(disk, expected.begin());
  host.At(kTarget).writable = true;
  ConvertRequest request = To(FormatId::kQcow2);
  request.keep_target = true;
  request.workers = 3;
  ExpectConverts(host, request);
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), expected);
}

TEST(Convert, ABlockDeviceThatIsNotZeroGetsItsZerosWritten) {
  FakeHost host;
  const Bytes disk = MakeMixedQcow2(host, kSource);
  FakeHost::Device& target = host.Add(kTarget);
  target.writable = true;
  target.block_device = true;
  target.file.Write(0, Noise(1, 10 * kMiB));
  ExpectConverts(host, To(FormatId::kRaw));
  EXPECT_EQ(target.file.size, 10 * kMiB);
  Bytes shown = FileOf(host, kTarget);
  shown.resize(disk.size());
  EXPECT_EQ(shown, disk);
}

TEST(Convert, SourceErrorsLeaveTheTargetUntouched) {
  FakeHost host;
  MakeRaw(host, kSource, 4096, {});
  FakeHost::Device& target = host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.sources.front().format = FormatId::kQcow2;
  EXPECT_EQ(ErrorOf(host, request).device, kSource);
  EXPECT_FALSE(target.touched);
}

TEST(Convert, AnEncryptedSourceLeavesTheTargetUntouched) {
  FakeHost host;
  ImageBuilder(host, kSource, kMiB).Finish();
  const std::array<std::byte, 4> aes = {{{}, {}, {}, std::byte{1}}};
  host.At(kSource).file.Write(32, aes);
  FakeHost::Device& target = host.AddTarget(kTarget);
  EXPECT_EQ(ErrorOf(host, To(FormatId::kRaw)).code, ErrorCode::kUnsupported);
  EXPECT_FALSE(target.touched);
}

TEST(Convert, DataGoesToAndComesFromAnExternalDataFile) {
  FakeHost host;
  const Bytes disk = MakeMixedQcow2(host, kSource);
  host.AddTarget(kTarget);
  host.AddTarget(kDataFile);
  ConvertRequest request = To(FormatId::kQcow2);
  request.target_options = "data_file=data,data_file_raw=on";
  request.target_data_file = kDataFile;
  request.workers = 3;
  ExpectConverts(host, request);
  EXPECT_EQ(FileOf(host, kDataFile), disk);

  host.AddReference("data", kDataFile);
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), disk);
  host.AddTarget(DeviceId{20});
  request = To(FormatId::kRaw);
  request.sources = {kTarget};
  request.target = DeviceId{20};
  ExpectConverts(host, request);
  EXPECT_EQ(FileOf(host, DeviceId{20}), disk);
}

TEST(Convert, WrongTargetOptionsLeaveTheTargetUntouched) {
  FakeHost host;
  MakeRaw(host, kSource, 4096, {});
  FakeHost::Device& target = host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kQcow2);
  request.target_options = "cluster_size=7";
  EXPECT_EQ(ErrorOf(host, request).code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(target.touched);
}

TEST(Convert, ADiskOverTheLimitIsRefusedBeforeTheTargetIsTouched) {
  FakeHost host;
  MakeRaw(host, kSource, 8192, {});
  FakeHost::Device& target = host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.max_virtual_bytes = 4096;
  const Error error = ErrorOf(host, request);
  EXPECT_EQ(error.code, ErrorCode::kLimit);
  EXPECT_EQ(error.numbers[0], 8192u);
  EXPECT_EQ(error.numbers[1], 4096u);
  EXPECT_FALSE(target.touched);
}

struct Refused {
  const char* name;
  void (*change)(ConvertRequest& request);
};

class ConvertRefuses : public ::testing::TestWithParam<Refused> {};

TEST_P(ConvertRefuses, BeforeAnythingIsTouched) {
  FakeHost host;
  ImageBuilder(host, kSource, kMiB).Finish();
  ImageBuilder(host, kBase, kMiB).Finish();
  FakeHost::Device& target = host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kQcow2);
  GetParam().change(request);
  const Error error = ErrorOf(host, request);
  EXPECT_TRUE(error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kUnsupported);
  EXPECT_FALSE(target.touched);
}

INSTANTIATE_TEST_SUITE_P(
    All, ConvertRefuses,
    ::testing::Values(
        Refused{"NoSource", [](ConvertRequest& r) { r.sources.clear(); }},
        Refused{"OddSparseSize", [](ConvertRequest& r) { r.sparse_bytes = 1000; }},
        Refused{"HugeSparseSize", [](ConvertRequest& r) { r.sparse_bytes = 32 << 20; }},
        Refused{"SnapshotOfSeveral",
                [](ConvertRequest& r) {
                  r.sources = {kSource, kBase};
                  r.snapshot.id_or_name = "1";
                }},
        Refused{"BackingFileOfSeveral",
                [](ConvertRequest& r) {
                  r.sources = {kSource, kBase};
                  r.backing_name = "base";
                  r.backing_format = "qcow2";
                }},
        Refused{"BitmapsOfSeveral",
                [](ConvertRequest& r) {
                  r.sources = {kSource, kBase};
                  r.bitmaps = true;
                }},
        Refused{"BackingFileWithoutFormat", [](ConvertRequest& r) { r.backing_name = "base"; }},
        Refused{"RawWithBackingFile",
                [](ConvertRequest& r) {
                  r.target_format = FormatId::kRaw;
                  r.backing_name = "base";
                  r.backing_format = "qcow2";
                }},
        Refused{"CompressedRaw",
                [](ConvertRequest& r) {
                  r.target_format = FormatId::kRaw;
                  r.compress = true;
                }},
        Refused{"BitmapsToRaw",
                [](ConvertRequest& r) {
                  r.target_format = FormatId::kRaw;
                  r.bitmaps = true;
                }},
        Refused{"CompressedOutOfOrder",
                [](ConvertRequest& r) {
                  r.compress = true;
                  r.out_of_order = true;
                }},
        Refused{"OptionsForAKeptTarget",
                [](ConvertRequest& r) {
                  r.keep_target = true;
                  r.target_options = "compat=1.1";
                }},
        Refused{"BitmapsToAKeptTarget",
                [](ConvertRequest& r) {
                  r.keep_target = true;
                  r.bitmaps = true;
                }},
        Refused{"ZeroTargetThatIsNotKept", [](ConvertRequest& r) { r.target_is_zero = true; }},
        Refused{"SkippingWithoutBitmaps", [](ConvertRequest& r) { r.skip_broken_bitmaps = true; }},
        Refused{"UnknownTargetFormat",
                [](ConvertRequest& r) { r.target_format = FormatId::kVdi; }}),
    [](const auto& refused) { return refused.param.name; });

// Every call of every kind fails once: the conversion ends with that error and does not hang.
class ConvertFaults : public ::testing::TestWithParam<FakeHost::Call> {};

TEST_P(ConvertFaults, EveryFailedCallIsTheErrorOfTheConversion) {
  FakeHost maker;
  MakeMixedQcow2(maker, kSource);
  for (const bool compress : {false, true}) {
    for (unsigned nth = 1; nth < 200; ++nth) {
      FakeHost host;
      host.Add(kSource).file = maker.At(kSource).file;
      host.AddTarget(kTarget);
      const unsigned before = host.calls(GetParam());
      host.Fail(GetParam(), before + nth, {.code = ErrorCode::kNoSpace, .message = "injected"});
      ConvertRequest request = To(FormatId::kQcow2);
      request.compress = compress;
      request.workers = 3;
      const Status status = RunConvert(host, request);
      if (host.calls(GetParam()) < before + nth) {
        EXPECT_TRUE(status.has_value());
        break;
      }
      ASSERT_FALSE(status.has_value()) << "call " << nth;
      EXPECT_STREQ(status.error().message, "injected");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ConvertFaults,
                         ::testing::Values(FakeHost::Call::kInfo, FakeHost::Call::kResize,
                                           FakeHost::Call::kFlush, FakeHost::Call::kRead,
                                           FakeHost::Call::kWrite, FakeHost::Call::kTransfer,
                                           FakeHost::Call::kScanZero, FakeHost::Call::kProgress,
                                           FakeHost::Call::kParallel));

TEST(Convert, AFailedRunLeavesNothingThatProbesAsAnImage) {
  FakeHost host;
  MakeMixedQcow2(host, kSource);
  host.AddTarget(kTarget);
  host.Fail(FakeHost::Call::kTransfer, 3, {.code = ErrorCode::kIo, .message = "injected"});
  ErrorOf(host, To(FormatId::kQcow2));
  Bytes start(4);
  host.At(kTarget).file.Read(0, start);
  EXPECT_EQ(start, Bytes(4));
}

// The bytes of a target that a window of a source gives.
Bytes Window(FakeHost& host, std::uint64_t start, std::uint64_t end) {
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.window_start = start;
  request.window_end = end;
  ExpectConverts(host, request);
  return FileOf(host, kTarget);
}

TEST(ConvertWindow, OnlyTheWindowIsCopiedWhateverItsAlignment) {
  for (const auto& [start, end] : {std::pair<std::uint64_t, std::uint64_t>{0, 100},
                                   {300, 9 * kMiB},
                                   {kCluster + 1, 3 * kMiB + 77},
                                   {2 * kMiB - 3, 2 * kMiB + 3},
                                   {9 * kMiB, 9 * kMiB + 512},
                                   {5, ~std::uint64_t{0}}}) {
    FakeHost host;
    MakeMixedQcow2(host, kSource);
    const Bytes disk = ReadDisk(host, kSource, FormatId::kQcow2);
    const std::uint64_t stop = std::min<std::uint64_t>(end, disk.size());
    Bytes expected(disk.begin() + static_cast<std::ptrdiff_t>(start),
                   disk.begin() + static_cast<std::ptrdiff_t>(stop));
    expected.resize((expected.size() + 511) / 512 * 512);
    EXPECT_EQ(Window(host, start, end), expected) << start << " to " << end;
  }
}

TEST(ConvertWindow, AStartBeyondTheEndGivesNothingAndIsReported) {
  for (const auto& [start, end] :
       {std::pair<std::uint64_t, std::uint64_t>{kMiB + 1, ~std::uint64_t{0}},
        {~std::uint64_t{0}, ~std::uint64_t{0}},
        {2000, 1000}}) {
    FakeHost host;
    MakeRaw(host, kSource, kMiB, {{0, Pattern(1, kMiB)}});
    EXPECT_THAT(Window(host, start, end), IsEmpty());
    EXPECT_EQ(ReportText(host), "{window: {beyond-end: true}}");
  }
}

TEST(ConvertWindow, AnEmptyWindowWithinTheDiskIsNoMistake) {
  FakeHost host;
  MakeRaw(host, kSource, kMiB, {{0, Pattern(1, kMiB)}});
  EXPECT_THAT(Window(host, kMiB, ~std::uint64_t{0}), IsEmpty());
  EXPECT_EQ(ReportText(host), "");
}

}  // namespace
}  // namespace instar::test
