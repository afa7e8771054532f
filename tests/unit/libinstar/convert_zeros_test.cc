// Zeros that a conversion leaves out.
#include <gtest/gtest.h>

#include "libinstar/conversion.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

TEST(Convert, ZeroRunsOfTheGivenLengthBecomeHoles) {
  FakeHost host;
  Bytes data = Pattern(1, kMiB);
  std::fill_n(data.begin() + 8192, 4096, std::byte{0});
  std::fill_n(data.begin() + 512 * 1024, 65536, std::byte{0});
  MakeRaw(host, kSource, kMiB, {{0, data}});
  const auto allocated = [&](std::uint64_t zero_run_bytes) {
    host.AddTarget(kTarget);
    ConvertRequest request = To(FormatId::kRaw);
    request.zero_run_bytes = zero_run_bytes;
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
  request.zero_run_bytes = 0;
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
  request.target_options = test::Settings(FormatId::kQcow2, "cluster_size=4k");
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

}  // namespace
}  // namespace instar::test
