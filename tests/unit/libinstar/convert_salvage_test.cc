// Converting what cannot be read in full (--salvage).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "instar/verbs.h"
#include "support/disk_image.h"

namespace instar::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr DeviceId kSource{1};
constexpr DeviceId kTarget{9};
constexpr std::uint64_t kCluster = 65536;
constexpr std::uint64_t kMiB = 1 << 20;

class ConvertSalvage : public ::testing::Test {
 protected:
  ConvertSalvage() {
    host.AddTarget(kTarget);
    request = {.sources = {kSource},
               .target = kTarget,
               .target_format = FormatId::kRaw,
               .salvage = true,
               .workers = 2};
  }
  void Convert() {
    const Status status = RunConvert(host, request);
    ASSERT_TRUE(status.has_value()) << status.error().message;
  }
  FakeHost host;
  ConvertRequest request;
};

TEST_F(ConvertSalvage, WithoutItAnUnreadableSectorIsAnError) {
  MakeRaw(host, kSource, 4 * kMiB, {{0, Pattern(1, 4 * kMiB)}});
  host.At(kSource).unreadable = {{kMiB, 512}};
  request.salvage = false;
  const Status status = RunConvert(host, request);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_EQ(status.error().device, kSource);
}

TEST_F(ConvertSalvage, UnreadableSectorsOfARawSourceReadAsZeros) {
  Bytes expected = Pattern(1, 4 * kMiB);
  MakeRaw(host, kSource, 4 * kMiB, {{0, expected}});
  host.At(kSource).unreadable = {{kMiB, 512}, {3 * kMiB + 1024, 2048}};
  std::fill_n(expected.begin() + kMiB, 512, std::byte{0});
  std::fill_n(expected.begin() + 3 * kMiB + 1024, 2048, std::byte{0});
  for (const FormatId format : {FormatId::kRaw, FormatId::kQcow2}) {
    request.target_format = format;
    Convert();
    EXPECT_EQ(ReadDisk(host, kTarget, format), expected);
  }
  EXPECT_THAT(ReportText(host),
              HasSubstr("salvage: {unreadable-ranges: 5, unreadable-bytes: 2560, first-offset: "
                        "1048576}}"));
}

TEST_F(ConvertSalvage, UnreadableDataOfAQcow2SourceReadsAsZerosInACompressedTargetToo) {
  ImageBuilder image(host, kSource, 4 * kMiB);
  image.Data(0, Pattern(1, 4 * kMiB));
  Bytes expected = image.Finish();
  const auto chain = Chain::Open(host, {.image = kSource});
  const auto extent = (*(*chain)->OpenCursor())->Next(kMiB, kMiB)->extent;
  host.At(kSource).unreadable = {{extent.file_offset + 512, 512}};
  std::fill_n(expected.begin() + kMiB + 512, 512, std::byte{0});
  request.target_format = FormatId::kQcow2;
  request.compress = true;
  Convert();
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), expected);
}

TEST_F(ConvertSalvage, ACompressedClusterThatCannotBeReadIsLostAlone) {
  ImageBuilder image(host, kSource, kMiB);
  for (unsigned i = 0; i < 16; ++i) image.Compressed(i * kCluster, Pattern(i, kCluster));
  Bytes expected = image.Finish();
  const auto chain = Chain::Open(host, {.image = kSource});
  const auto cursor = (*chain)->OpenCursor();
  const auto first = (*cursor)->Next(0, kCluster)->extent;
  host.At(kSource).unreadable = {{first.file_offset, 1}};
  Convert();
  Bytes shown(kMiB);
  host.At(kTarget).file.Read(0, shown);
  std::fill_n(expected.begin(), kCluster, std::byte{0});
  EXPECT_EQ(shown, expected);
  EXPECT_THAT(ReportText(host), HasSubstr("unreadable-bytes: 65536"));
}

TEST_F(ConvertSalvage, AMapThatCannotBeReadLosesWhatItDescribes) {
  ImageBuilder(host, kSource, 4 * kMiB).Data(0, Pattern(1, 4 * kMiB)).Finish();
  Bytes header(48);
  host.At(kSource).file.Read(0, header);
  const std::uint64_t l1 = LoadBe64(header, 40);
  Bytes entry(8);
  host.At(kSource).file.Read(l1, entry);
  host.At(kSource).unreadable = {{LoadBe64(entry, 0) & 0x00FFFFFFFFFFFE00ull, 8}};
  Convert();
  Bytes shown(4 * kMiB);
  host.At(kTarget).file.Read(0, shown);
  EXPECT_EQ(shown, Bytes(4 * kMiB));
  EXPECT_THAT(ReportText(host), HasSubstr("unreadable-bytes: 4194304"));
}

TEST_F(ConvertSalvage, AReadableSourceReportsNothing) {
  MakeRaw(host, kSource, 4 * kMiB, {{0, Pattern(1, 4 * kMiB)}});
  Convert();
  EXPECT_THAT(host.emitted(), IsEmpty());
}

}  // namespace
}  // namespace instar::test
