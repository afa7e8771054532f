#include "formats/vhdx/log.h"

#include <gtest/gtest.h>

#include <string>

#include "formats/open.h"
#include "formats/vhdx/format.h"
#include "formats/vhdx/replayed_device.h"
#include "support/map_text.h"
#include "support/text_sink.h"
#include "support/vhdx_image.h"

namespace instar::test {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kPresent = 6;

// A table in the log that says: block 0 is at `offset`.
VhdxLog::Change BlockAt(std::uint64_t offset) {
  return {.file_offset = VhdxImage::kBatAt, .sector = VhdxLog::BatSector({offset | kPresent})};
}

std::string MapOf(VhdxImage& image) {
  const auto reader = OpenImage(image.Finish(), FormatId::kVhdx);
  if (!reader) return std::string("refused: ") + reader.error().message;
  return MapText(**reader);
}

TEST(VhdxLog, ChangesInTheLogAreReadAsIfTheyWereInPlace) {
  VhdxImage image;
  VhdxLog log(image);
  const std::uint64_t block = image.Append(0xAA);
  log.Entry(0, 0, {BlockAt(block)});
  EXPECT_EQ(MapOf(image), "D1048576@4194304 Z3145728");
  const auto reader = vhdx::OpenReader(image.device).value();
  TextSink sink;
  ASSERT_TRUE(reader->Describe(sink));
  EXPECT_EQ(sink.text, "dirty-flag: true");
  EXPECT_EQ(LoadLe64(image.device.bytes, VhdxImage::kBatAt), 0U) << "the file itself changed";
}

TEST(VhdxLog, AnEmptyLogIsNotLookedAt) {
  VhdxImage image;
  {
    VhdxLog log(image);
    log.Entry(0, 0, {BlockAt(kMiB)});
  }
  image.header.log_id = vhdx::kNoGuid;
  EXPECT_EQ(MapOf(image), "Z4194304");
}

TEST(VhdxLog, LaterEntriesOverrideEarlierOnes) {
  VhdxImage image;
  VhdxLog log(image);
  const std::uint64_t first = image.Append(0xAA);
  const std::uint64_t second = image.Append(0xBB);
  std::uint64_t at = log.Entry(0, 0, {BlockAt(first)});
  at = log.Entry(at, 0, {BlockAt(second)});
  EXPECT_EQ(MapOf(image), "D1048576@5242880 Z3145728");
}

TEST(VhdxLog, EntriesBeforeTheTailAreNotReplayed) {
  VhdxImage image;
  VhdxLog log(image);
  const std::uint64_t block = image.Append(0xAA);
  const std::uint64_t tail = log.Entry(0, 0, {BlockAt(block)});
  log.Entry(tail, tail, {{.file_offset = VhdxImage::kBatAt + 8192, .zero_bytes = 4096}});
  EXPECT_EQ(MapOf(image), "Z4194304");
}

TEST(VhdxLog, ASequenceMayWrapAroundTheEndOfTheLog) {
  VhdxImage image;
  VhdxLog log(image);
  const std::uint64_t first = image.Append(0xAA);
  const std::uint64_t second = image.Append(0xBB);
  const std::uint64_t start = kMiB - 12288;
  std::uint64_t at = log.Entry(start, start, {BlockAt(first)});  // ends one sector before the end
  at = log.Entry(at, start, {BlockAt(second)});                  // across the end
  EXPECT_EQ(at, 4096U);
  EXPECT_EQ(MapOf(image), "D1048576@5242880 Z3145728");
}

TEST(VhdxLog, OfTwoSequencesTheOneWithTheHigherNumbersCounts) {
  VhdxImage image;
  VhdxLog log(image);
  const std::uint64_t first = image.Append(0xAA);
  const std::uint64_t second = image.Append(0xBB);
  log.sequence_number = 90;
  log.Entry(65536, 65536, {BlockAt(second)});
  log.sequence_number = 20;
  log.Entry(0, 0, {BlockAt(first)});
  EXPECT_EQ(MapOf(image), "D1048576@5242880 Z3145728");
}

TEST(VhdxLog, ABrokenEntryEndsTheSequenceBeforeIt) {
  VhdxImage image;
  VhdxLog log(image);
  const std::uint64_t first = image.Append(0xAA);
  const std::uint64_t second = image.Append(0xBB);
  const std::uint64_t at = log.Entry(0, 0, {BlockAt(first)});
  log.Entry(at, 0, {BlockAt(second)});
  image.device.bytes[VhdxImage::kLogAt + at + 5000] ^= std::byte{1};
  EXPECT_EQ(MapOf(image), "D1048576@4194304 Z3145728");
}

TEST(VhdxLog, ALogSaidToHoldChangesButWithoutAnyIsCorrupt) {
  for (int damage = 0; damage < 5; ++damage) {
    VhdxImage image;
    VhdxLog log(image);
    const std::uint64_t block = image.Append(0xAA);
    if (damage == 3) log.sequence_number = 0;
    log.Entry(0, damage == 4 ? 4096 : 0, {BlockAt(block)});
    if (damage == 0) image.device.bytes[VhdxImage::kLogAt + 4100] ^= std::byte{1};  // data sector
    if (damage == 1) image.header.log_id[0] ^= std::byte{1};  // of another log
    if (damage == 2) image.device.Fill(VhdxImage::kLogAt, 8192, 0);
    const auto reader = vhdx::OpenReader(image.Finish());
    ASSERT_FALSE(reader) << damage;
    EXPECT_EQ(reader.error().code, ErrorCode::kCorrupt);
  }
}

TEST(VhdxLog, AFileShorterThanTheLogKnewItIsCorrupt) {
  VhdxImage image;
  VhdxLog log(image);
  log.flushed_bytes = 100 * kMiB;
  log.Entry(0, 0, {{.file_offset = VhdxImage::kBatAt, .zero_bytes = 4096}});
  EXPECT_NE(MapOf(image).find("refused"), std::string::npos);
}

TEST(VhdxLog, TheFileIsAsLongAsTheLogSays) {
  VhdxImage image;
  VhdxLog log(image);
  log.last_bytes = VhdxImage::kBlocksAt + kMiB;
  log.Entry(0, 0, {BlockAt(VhdxImage::kBlocksAt)});
  EXPECT_EQ(MapOf(image), "D1048576@4194304 Z3145728");
}

TEST(VhdxLog, ZerosAndDataApplyInTheirOrder) {
  VhdxImage image;
  VhdxLog log(image);
  const std::uint64_t block = image.Append(0xAA);
  image.Entry(0, kPresent, block).Entry(600, kPresent, 0);
  std::uint64_t at =
      log.Entry(0, 0, {{.file_offset = VhdxImage::kBatAt, .zero_bytes = 8192}, BlockAt(block)});
  EXPECT_EQ(MapOf(image), "D1048576@4194304 Z3145728");
  log.Entry(at, 0, {{.file_offset = VhdxImage::kBatAt, .zero_bytes = 4096}});
  EXPECT_EQ(MapOf(image), "Z4194304");
}

TEST(VhdxLog, ReadsOfEveryAlignmentSeeTheChanges) {
  MemoryDevice device(64 << 10);
  device.Fill(0, 64 << 10, 0x11);
  device.Fill(32 << 10, 4096, 0x22);  // the data sector
  vhdx::LogChanges changes{.file_bytes = 64 << 10};
  changes.zeros.push_back({.file_offset = 4096, .bytes = 4096, .order = 0});
  vhdx::DataChange change{.file_offset = 8192, .log_sector_offset = 32 << 10, .order = 1};
  change.leading.fill(std::byte{0x33});
  change.trailing.fill(std::byte{0x44});
  changes.data.push_back(change);
  std::vector<std::byte> want(16384, std::byte{0x11});
  for (std::size_t i = 4096; i < 8192; ++i) want[i] = std::byte{0};
  for (std::size_t i = 8192; i < 12288; ++i) {
    want[i] = i < 8200 ? std::byte{0x33} : i < 12284 ? std::byte{0x22} : std::byte{0x44};
  }
  const vhdx::ReplayedDevice replayed(device, changes);
  for (const std::size_t offset : {0, 1, 4095, 4096, 8190, 8192, 8193, 8199, 12283, 12287, 12288}) {
    for (const std::size_t length : {1, 2, 9, 4000, 4096, 4097}) {
      std::vector<std::byte> got(std::min(length, want.size() - offset));
      ASSERT_TRUE(replayed.Read(offset, got));
      EXPECT_TRUE(
          std::equal(got.begin(), got.end(), want.begin() + static_cast<std::ptrdiff_t>(offset)))
          << offset << " " << length;
    }
  }
  EXPECT_TRUE(replayed.Changes(8191, 1));
  EXPECT_FALSE(replayed.Changes(12288, 4096));
  EXPECT_FALSE(replayed.Changes(0, 4096));
}

TEST(VhdxLog, AChangeOfTheDisksOwnDataIsRefused) {
  VhdxImage image;
  VhdxLog log(image);
  const std::uint64_t block = image.Append(0xAA);
  image.Entry(0, kPresent, block);
  log.Entry(0, 0, {{.file_offset = block + 4096, .zero_bytes = 4096}});
  EXPECT_NE(MapOf(image).find("error: the log changes data of the disk"), std::string::npos);
}

TEST(VhdxLog, ALogThatChangesItselfIsCorrupt) {
  for (const std::uint64_t offset : {VhdxImage::kLogAt, VhdxImage::kBatAt - 4096}) {
    VhdxImage image;
    VhdxLog log(image);
    log.Entry(0, 0, {{.file_offset = offset, .zero_bytes = 4096}});
    EXPECT_NE(MapOf(image).find("refused: the log changes itself"), std::string::npos);
  }
}

TEST(VhdxLog, ChangesBeyondAnyFileAreCorrupt) {
  VhdxImage image;
  VhdxLog log(image);
  log.Entry(0, 0, {{.file_offset = ~std::uint64_t{4095}, .zero_bytes = 8192}});
  EXPECT_NE(MapOf(image).find("refused"), std::string::npos);
}

TEST(VhdxLog, EntriesThatClaimTheWholeLogEverywhereEndAtALimit) {
  VhdxImage image;
  VhdxLog log(image);
  image.header.log_bytes = 32 << 20;
  image.header.log_offset = VhdxImage::kBlocksAt;
  image.device.bytes.resize(VhdxImage::kBlocksAt + (32 << 20));
  for (std::uint64_t at = VhdxImage::kBlocksAt; at < image.device.bytes.size(); at += 4096) {
    image.device.PutText(at, "loge");
    image.device.PutLe32(at + 8, 32 << 20);
    StoreLe64(image.device.bytes, at + 16, 1);
    vhdx::StoreGuid(image.device.bytes, at + 32, image.header.log_id);
  }
  const auto reader = vhdx::OpenReader(image.Finish());
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, ErrorCode::kLimit);
}

}  // namespace
}  // namespace instar::test
