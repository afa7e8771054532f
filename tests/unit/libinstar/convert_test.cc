// The disk that a conversion makes, of whatever sources, in whatever form.
#include <gtest/gtest.h>

#include "libinstar/conversion.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

struct Way {
  const char* name;
  FormatId format;
  const char* options;
  bool compress;
  std::uint64_t zero_run_bytes;
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
    request.target_options = test::Settings(request.target_format, GetParam().options);
    request.compress = GetParam().compress;
    request.zero_run_bytes = GetParam().zero_run_bytes;
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

TEST(Convert, DataGoesToAndComesFromAnExternalDataFile) {
  FakeHost host;
  const Bytes disk = MakeMixedQcow2(host, kSource);
  host.AddTarget(kTarget);
  host.AddTarget(kDataFile);
  ConvertRequest request = To(FormatId::kQcow2);
  request.target_options = test::Settings(FormatId::kQcow2, "data_file=data,data_file_raw=on");
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

}  // namespace
}  // namespace instar::test
