#include "instar/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/disk_image.h"

namespace instar::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr DeviceId kTop{1};
constexpr DeviceId kMiddle{2};
constexpr DeviceId kBase{3};
constexpr std::uint64_t kCluster = 65536;

ChainExtent At(const Chain& chain, std::uint64_t offset, std::uint64_t max_length = ~0ull) {
  const auto cursor = chain.OpenCursor();
  EXPECT_TRUE(cursor.has_value());
  const auto extent = (*cursor)->Next(offset, max_length);
  EXPECT_TRUE(extent.has_value());
  return extent.value_or(ChainExtent{});
}

std::unique_ptr<Chain> Open(FakeHost& host, ChainOptions options = {.image = kTop}) {
  auto chain = Chain::Open(host, options);
  EXPECT_TRUE(chain.has_value()) << (chain ? "" : chain.error().message);
  return chain ? *std::move(chain) : nullptr;
}

TEST(Chain, OverlayHidesWhatItHoldsAndShowsTheRestOfItsBackingFile) {
  FakeHost host;
  host.AddReference("base", kBase);
  ImageBuilder(host, kBase, 4 * kCluster).Data(0, Pattern(1, 4 * kCluster)).Finish();
  ImageBuilder(host, kTop, 4 * kCluster, "", "base", "qcow2")
      .Data(kCluster, Pattern(2, kCluster))
      .Zero(2 * kCluster, kCluster)
      .Finish();

  Bytes expected = Pattern(1, 4 * kCluster);
  std::ranges::copy(Pattern(2, kCluster), expected.begin() + kCluster);
  std::fill_n(expected.begin() + 2 * kCluster, kCluster, std::byte{0});
  EXPECT_EQ(ReadDisk(host, kTop, FormatId::kQcow2), expected);

  const auto chain = Open(host);
  EXPECT_EQ(At(*chain, 0).depth, 1u);
  EXPECT_EQ(At(*chain, kCluster).depth, 0u);
  EXPECT_EQ(At(*chain, 2 * kCluster).extent.kind, ExtentKind::kZero);
  EXPECT_EQ(At(*chain, 2 * kCluster).depth, 0u);
}

TEST(Chain, WhatNoLayerHoldsIsZeroAndNotAllocated) {
  FakeHost host;
  host.AddReference("base", kBase);
  ImageBuilder(host, kBase, 2 * kCluster).Finish();
  ImageBuilder(host, kTop, 2 * kCluster, "", "base", "qcow2").Finish();
  const auto chain = Open(host);
  const ChainExtent extent = At(*chain, 0);
  EXPECT_EQ(extent.extent.kind, ExtentKind::kZero);
  EXPECT_EQ(extent.extent.length_bytes, 2 * kCluster);
  EXPECT_FALSE(extent.allocated);
  EXPECT_EQ(extent.depth, 2u);
}

TEST(Chain, BeyondTheEndOfAShorterBackingFileReadsZeroWhateverLiesBelowIt) {
  FakeHost host;
  host.AddReference("middle", kMiddle);
  host.AddReference("base", kBase);
  ImageBuilder(host, kBase, 4 * kCluster).Data(0, Pattern(1, 4 * kCluster)).Finish();
  ImageBuilder(host, kMiddle, kCluster, "", "base", "qcow2").Finish();
  ImageBuilder(host, kTop, 4 * kCluster, "", "middle", "qcow2").Finish();
  Bytes expected(4 * kCluster);
  std::ranges::copy(Pattern(1, kCluster), expected.begin());
  EXPECT_EQ(ReadDisk(host, kTop, FormatId::kQcow2), expected);
}

TEST(Chain, ALongerBackingFileIsCut) {
  FakeHost host;
  host.AddReference("base", kBase);
  ImageBuilder(host, kBase, 4 * kCluster).Data(0, Pattern(1, 4 * kCluster)).Finish();
  ImageBuilder(host, kTop, kCluster, "", "base", "qcow2").Finish();
  EXPECT_EQ(ReadDisk(host, kTop, FormatId::kQcow2), Pattern(1, kCluster));
}

TEST(Chain, NeighbouringExtentsOfOneLayerComeAsOneEvenAcrossCallsToTheReader) {
  FakeHost host;
  MakeRaw(host, kBase, 8 * kCluster, {{0, Pattern(1, 8 * kCluster)}});
  host.AddReference("base", kBase);
  ImageBuilder(host, kTop, 8 * kCluster, "", "base", "raw")
      .Data(6 * kCluster, Pattern(2, kCluster))
      .Finish();
  const auto chain = Open(host);
  const ChainExtent extent = At(*chain, 512);
  EXPECT_EQ(extent.extent.kind, ExtentKind::kData);
  EXPECT_EQ(extent.extent.device, kBase);
  EXPECT_EQ(extent.extent.file_offset, 512u);
  EXPECT_EQ(extent.extent.length_bytes, 6 * kCluster - 512);
}

TEST(Chain, ALongRunOfABackingFileIsAskedForOnceHoweverTheOverlayCutsIt) {
  FakeHost host;
  MakeRaw(host, kBase, 64 * kCluster, {{0, Pattern(1, 64 * kCluster)}});
  host.AddReference("base", kBase);
  ImageBuilder top(host, kTop, 64 * kCluster, "", "base", "raw");
  for (unsigned i = 0; i < 64; i += 2) top.Data(i * kCluster, Pattern(i, kCluster));
  top.Finish();
  const auto chain = Open(host);
  const auto cursor = chain->OpenCursor();
  for (std::uint64_t at = 0; at < 64 * kCluster;) {
    at += (*cursor)->Next(at, 64 * kCluster - at)->extent.length_bytes;
  }
  EXPECT_EQ(host.calls(FakeHost::Call::kNextRun), 1u);
}

TEST(Chain, TheStatedFormatOfABackingFileIsFinal) {
  FakeHost host;
  ImageBuilder(host, kBase, 4 * kCluster).Data(0, Pattern(1, kCluster)).Finish();
  host.AddReference("base", kBase);
  ImageBuilder(host, kTop, kCluster, "", "base", "raw").Finish();
  const auto chain = Open(host);
  EXPECT_EQ(chain->layers()[1].reader->format(), FormatId::kRaw);
  Bytes start(4);
  host.At(kBase).file.Read(0, start);
  const Bytes disk = ReadDisk(host, kTop, FormatId::kQcow2);
  EXPECT_TRUE(std::ranges::equal(start, std::span(disk).first(4)));
}

TEST(Chain, ABackingFileWithoutStatedFormatMustCarryASignature) {
  FakeHost host;
  MakeRaw(host, kBase, kCluster, {{0, Pattern(1, 512)}});
  host.AddReference("base", kBase);
  ImageBuilder(host, kTop, kCluster, "", "base", "").Finish();
  const auto chain = Chain::Open(host, {.image = kTop});
  ASSERT_FALSE(chain.has_value());
  EXPECT_EQ(chain.error().code, ErrorCode::kDenied);
  EXPECT_EQ(chain.error().device, kTop);
  EXPECT_THAT(chain.error().message, HasSubstr("-F"));
}

TEST(Chain, ABackingFileWithoutStatedFormatIsOpenedAsWhatItsSignatureSays) {
  FakeHost host;
  ImageBuilder(host, kBase, kCluster).Data(0, Pattern(1, kCluster)).Finish();
  host.AddReference("base", kBase);
  ImageBuilder(host, kTop, kCluster, "", "base", "").Finish();
  EXPECT_EQ(ReadDisk(host, kTop, FormatId::kQcow2), Pattern(1, kCluster));
}

TEST(Chain, AFormatNobodyKnowsIsUnsupportedNotGuessed) {
  FakeHost host;
  ImageBuilder(host, kBase, kCluster).Finish();
  host.AddReference("base", kBase);
  ImageBuilder(host, kTop, kCluster, "", "base", "qcow9").Finish();
  const auto chain = Chain::Open(host, {.image = kTop});
  ASSERT_FALSE(chain.has_value());
  EXPECT_EQ(chain.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(chain.error().device, kTop);
}

TEST(Chain, AnImageThatNamesItselfEndsAtTheDepthLimit) {
  FakeHost host;
  ImageBuilder(host, kTop, kCluster, "", "self", "qcow2").Finish();
  host.AddReference("self", kTop);
  const auto chain = Chain::Open(host, {.image = kTop, .max_depth = 5});
  ASSERT_FALSE(chain.has_value());
  EXPECT_EQ(chain.error().code, ErrorCode::kLimit);
  EXPECT_EQ(chain.error().numbers[0], 5u);
  EXPECT_EQ(host.opened().size(), 4u);
}

TEST(Chain, AChainOfExactlyTheDepthLimitOpens) {
  FakeHost host;
  ImageBuilder(host, kBase, kCluster).Finish();
  host.AddReference("base", kBase);
  ImageBuilder(host, kTop, kCluster, "", "base", "qcow2").Finish();
  EXPECT_TRUE(Chain::Open(host, {.image = kTop, .max_depth = 2}).has_value());
  EXPECT_FALSE(Chain::Open(host, {.image = kTop, .max_depth = 1}).has_value());
}

TEST(Chain, AMissingBackingFileIsAnErrorOfTheImageThatNamesIt) {
  FakeHost host;
  ImageBuilder(host, kTop, kCluster, "", "gone", "qcow2").Finish();
  const auto chain = Chain::Open(host, {.image = kTop});
  ASSERT_FALSE(chain.has_value());
  EXPECT_EQ(chain.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(chain.error().device, kTop);
}

TEST(Chain, NothingIsOpenedWhenNoReferenceIsAskedFor) {
  FakeHost host;
  ImageBuilder(host, kTop, kCluster, "", "base", "qcow2").Finish();
  const auto chain = Open(host, {.image = kTop, .references = References::kNone});
  EXPECT_EQ(chain->layers().size(), 1u);
  EXPECT_THAT(host.opened(), IsEmpty());
}

TEST(Chain, ACorruptBackingFileIsAnErrorOfThatFile) {
  FakeHost host;
  MakeRaw(host, kBase, kCluster, {{0, Pattern(1, 512)}});
  host.AddReference("base", kBase);
  ImageBuilder(host, kTop, kCluster, "", "base", "qcow2").Finish();
  const auto chain = Chain::Open(host, {.image = kTop});
  ASSERT_FALSE(chain.has_value());
  EXPECT_EQ(chain.error().device, kBase);
}

TEST(Chain, AReadErrorNamesTheDevice) {
  FakeHost host;
  ImageBuilder(host, kTop, kCluster).Data(0, Pattern(1, kCluster)).Finish();
  const auto chain = Open(host);
  const auto cursor = chain->OpenCursor();
  host.At(kTop).unreadable = {{0, 1 << 20}};
  const auto extent = (*cursor)->Next(0, kCluster);
  ASSERT_FALSE(extent.has_value());
  EXPECT_EQ(extent.error().code, ErrorCode::kIo);
  EXPECT_EQ(extent.error().device, kTop);
}

TEST(Chain, AMissingSnapshotIsNotFound) {
  FakeHost host;
  ImageBuilder(host, kTop, kCluster).Finish();
  const auto chain = Chain::Open(host, {.image = kTop, .snapshot = {.id_or_name = "monday"}});
  ASSERT_FALSE(chain.has_value());
  EXPECT_EQ(chain.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(chain.error().device, kTop);
}

}  // namespace
}  // namespace instar::test
