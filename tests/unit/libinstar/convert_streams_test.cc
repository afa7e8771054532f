// Conversions from and into pipes.
#include <gtest/gtest.h>

#include "instar/verbs.h"
#include "support/disk_image.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

constexpr DeviceId kSource{1};
constexpr DeviceId kParent{2};
constexpr DeviceId kTarget{9};
constexpr std::uint64_t kCluster = 65536;
constexpr std::uint64_t kMiB = 1 << 20;

Bytes FileOf(FakeHost& host, DeviceId id) {
  Bytes bytes(host.At(id).file.size);
  host.At(id).file.Read(0, bytes);
  return bytes;
}

// Copies and writes in turn, holes, and an end that is in none of them.
void MakeSource(FakeHost& host) {
  ImageBuilder image(host, kSource, 70 * kMiB + 512, "");
  for (unsigned i = 0; i < 40; i += 2) {
    image.Data(i * kCluster, Pattern(i + 1, kCluster));
    image.Compressed((i + 1) * kCluster, Pattern(i + 2, kCluster));
  }
  image.Data(33 * kMiB, Noise(5, 3 * kCluster));
  image.Compressed(65 * kMiB, Pattern(6, kCluster));
  (void)image.Finish();
}

struct Way {
  const char* name;
  FormatId format;
  const char* options;
  bool with_parent;
};

class ConvertIntoAPipe : public ::testing::TestWithParam<Way> {};

TEST_P(ConvertIntoAPipe, GivesTheBytesOfAFileInTheirOrderWhateverTheNumberOfWorkers) {
  std::optional<SparseFile> file;
  for (const unsigned workers : {1u, 4u}) {
    for (const bool pipe : {false, true}) {
      FakeHost host;
      MakeSource(host);
      host.AddTarget(kTarget).sequential = pipe;
      ConvertRequest request{
          .sources = {kSource},
          .target = kTarget,
          .target_format = GetParam().format,
          .target_options = test::Settings(GetParam().format, GetParam().options),
          .workers = workers};
      if (GetParam().with_parent) {
        host.AddTarget(kParent);
        ASSERT_TRUE(
            RunConvert(host,
                       {.sources = {kSource}, .target = kParent, .target_format = FormatId::kVmdk})
                .has_value());
        request.backing = kParent;
        request.backing_name = "parent";
        request.backing_format = "vmdk";
      }
      host.set_max_workers(workers);
      const Status status = RunConvert(host, request);
      ASSERT_TRUE(status.has_value()) << status.error().message;
      if (!file) file = host.At(kTarget).file;
      EXPECT_EQ(host.At(kTarget).file.size, file->size);
      Bytes want(file->size);
      file->Read(0, want);
      EXPECT_TRUE(FileOf(host, kTarget) == want) << workers << (pipe ? " pipe" : " file");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, ConvertIntoAPipe,
    ::testing::Values(Way{"raw", FormatId::kRaw, "", false},
                      Way{"fixed_vhd", FormatId::kVpc, "subformat=fixed", false},
                      Way{"stream_optimized", FormatId::kVmdk, "subformat=streamOptimized", false},
                      Way{"overlay", FormatId::kVmdk, "subformat=streamOptimized", true}),
    [](const auto& way) { return std::string(way.param.name); });

TEST(ConvertFromAPipe, WritesARawDiskAsItComesRoundedUpToSectors) {
  FakeHost host;
  const Bytes content = Noise(3, 5 * kMiB + 700);
  host.Add(kSource).file.Write(0, content);
  host.At(kSource).sequential = true;
  host.AddTarget(kTarget).file.Write(0, Noise(4, 9 * kMiB));  // what was there before goes
  const Status status = RunConvert(
      host,
      {.sources = {{kSource, FormatId::kRaw}}, .target = kTarget, .target_format = FormatId::kRaw});
  ASSERT_TRUE(status.has_value()) << status.error().message;
  Bytes want = content;
  want.resize(5 * kMiB + 1024);
  EXPECT_TRUE(FileOf(host, kTarget) == want);
}

TEST(ConvertFromAPipe, StopsAtTheLimitOfTheVirtualSize) {
  FakeHost host;
  host.Add(kSource).file.Write(0, Noise(3, 5 * kMiB));
  host.At(kSource).sequential = true;
  host.AddTarget(kTarget);
  const Status status = RunConvert(host, {.sources = {{kSource, FormatId::kRaw}},
                                          .target = kTarget,
                                          .target_format = FormatId::kRaw,
                                          .max_virtual_bytes = 4 * kMiB});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kLimit);
  EXPECT_LE(host.At(kTarget).file.size, 4 * kMiB);
}

TEST(ConvertFromAPipe, NeedsToBeToldThatItIsRawAndATargetThatGrows) {
  for (const bool raw_source : {false, true}) {
    FakeHost host;
    host.Add(kSource).file.Write(0, Noise(3, kMiB));
    host.At(kSource).sequential = true;
    host.AddTarget(kTarget);
    const Status status =
        RunConvert(host, {.sources = {{kSource, raw_source ? FormatId::kRaw : FormatId::kUnknown}},
                          .target = kTarget,
                          .target_format = raw_source ? FormatId::kQcow2 : FormatId::kRaw});
    EXPECT_FALSE(status.has_value());
    EXPECT_FALSE(host.At(kTarget).touched);
  }
}

}  // namespace
}  // namespace instar::test
