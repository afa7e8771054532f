// What resizing makes of an image; what a crash makes of it is tests/crash's.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "formats/base/endian.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/resize.h"
#include "support/changed_image.h"
#include "support/checked_image.h"
#include "support/fresh_image.h"
#include "support/memory_device.h"
#include "support/shown_disk.h"
#include "support/thread_workers.h"

namespace instar::qcow2 {
namespace {

using test::MemoryDevice;
using test::ShownDisk;

constexpr std::uint64_t kKi = 1 << 10;
constexpr std::uint64_t kMi = 1 << 20;

std::vector<std::byte> Fill(std::uint64_t bytes, int value) {
  return std::vector<std::byte>(bytes, static_cast<std::byte>(value));
}

class ResizerTest : public test::ChangedImage {
 protected:
  Status Resize(std::uint64_t bytes, Growth growth = Growth::kOff,
                const std::vector<std::byte>& backing = {}) {
    ShownDisk content(image, FormatId::kQcow2, backing);
    return ResizeImage(
        {.format = FormatId::kQcow2,
         .device = &image,
         .content = &content,
         .backing_bytes = backing.empty() ? std::nullopt : std::optional(backing.size()),
         .size_bytes = bytes,
         .growth = growth});
  }
  void Works(std::uint64_t bytes, Growth growth = Growth::kOff) {
    const Status resized = Resize(bytes, growth);
    ExpectSound(resized);
  }
  // Refuses, with the image as it was.
  void Refuses(std::uint64_t bytes, ErrorCode code, std::string_view words) {
    const std::vector<std::byte> before = image.bytes;
    const Status resized = Resize(bytes);
    ExpectRefused(resized, before, code, words);
  }
  // Where data cluster `index` of the first L2 table stands.
  [[nodiscard]] std::uint64_t L2At(std::uint64_t index) const {
    const std::uint64_t table = LoadBe64(image.bytes, header().l1_table_offset) & kOffsetMask;
    return table + index * kTableEntryBytes;
  }
};

TEST_F(ResizerTest, GrowingWithinTheTablesWritesOneSector) {
  Make(kMi, "", kMi);
  const std::vector<std::byte> before = image.bytes;
  Works(3 * kMi);
  EXPECT_EQ(image.writes, 1u);
  ASSERT_EQ(image.bytes.size(), before.size());
  EXPECT_TRUE(std::equal(before.begin() + 512, before.end(), image.bytes.begin() + 512));
  std::vector<std::byte> disk = Fill(kMi, 5);
  disk.resize(3 * kMi);
  EXPECT_EQ(Shown(), disk);
}

TEST_F(ResizerTest, NothingIsWrittenForTheSizeThatItHas) {
  Make(kMi);
  Works(kMi);
  EXPECT_EQ(image.writes, 0u);
}

TEST_F(ResizerTest, ShrinkingAnEmptyDiskMakesNoTable) {
  Make(std::uint64_t{2} << 40);
  const std::size_t length = image.bytes.size();
  Works(kMi);
  EXPECT_EQ(header().l1_entries, 1u);
  EXPECT_LE(image.bytes.size(), length);
}

TEST_F(ResizerTest, ShrinksToNothingAndGrowsAgain) {
  Make(4 * kMi, "cluster_size=4k", 4 * kMi);
  Works(0);
  EXPECT_LE(image.bytes.size(), 5 * 4 * kKi);
  Works(2 * kMi);
  EXPECT_EQ(Shown(), Fill(2 * kMi, 0));
}

TEST_F(ResizerTest, BytesBehindTheOldEndInTheLastClusterDoNotComeBack) {
  for (const char* options : {"", "compat=0.10", "extended_l2=on"}) {
    SCOPED_TRACE(options);
    image.bytes.clear();
    Make(kMi, options, kMi);
    Works(100 * kKi + 512);
    Works(kMi);
    std::vector<std::byte> disk = Fill(100 * kKi + 512, 5);
    disk.resize(kMi);
    EXPECT_EQ(Shown(), disk);
  }
}

TEST_F(ResizerTest, EntriesBehindTheOldEndDoNotComeBack) {
  Make(4 * kMi, "", 4 * kMi);
  // As a program leaves it that changes nothing but the size.
  Header changed = header();
  changed.virtual_size_bytes = kMi;
  SetHeader(changed);
  Works(4 * kMi);
  std::vector<std::byte> disk = Fill(kMi, 5);
  disk.resize(4 * kMi);
  EXPECT_EQ(Shown(), disk);
}

TEST_F(ResizerTest, WhatABackingFileHasBehindTheOldEndDoesNotShow) {
  const std::vector<std::byte> backing = Fill(4 * kMi, 7);
  for (const char* options : {"", "compat=0.10", "extended_l2=on"}) {
    for (const Growth growth : {Growth::kOff, Growth::kMetadata, Growth::kFull}) {
      SCOPED_TRACE(options);
      image.bytes.clear();
      Make(kMi + 512, options);
      const Status resized = Resize(3 * kMi, growth, backing);
      ASSERT_TRUE(resized) << resized.error().message;
      std::vector<std::byte> disk = Fill(kMi + 512, 7);
      disk.resize(3 * kMi);
      EXPECT_EQ(ShownDisk(image, FormatId::kQcow2, backing).Bytes(), disk);
      EXPECT_EQ(test::CheckedImage(image, FormatId::kQcow2).counts.corruptions, 0u);
    }
  }
}

TEST_F(ResizerTest, PreallocatesPlaces) {
  Make(kMi);
  Works(5 * kMi, Growth::kMetadata);
  const auto counts = test::CheckedImage(image, FormatId::kQcow2).counts;
  EXPECT_EQ(counts.allocated_clusters, 64u);
  EXPECT_EQ(Shown(), Fill(5 * kMi, 0));
}

TEST_F(ResizerTest, PlacesThatHeldSomethingReadAsZeros) {
  Make(4 * kMi, "", 4 * kMi);
  image.fixed_length = true;
  image.bytes.resize(8 * kMi);
  Works(kMi);
  Works(3 * kMi, Growth::kFalloc);
  std::vector<std::byte> disk = Fill(kMi, 5);
  disk.resize(3 * kMi);
  EXPECT_EQ(Shown(), disk);
}

TEST_F(ResizerTest, UsesFreeClustersWhereTheFileCannotGrow) {
  Make(kMi, "cluster_size=512", kMi);
  image.fixed_length = true;
  const std::size_t length = image.bytes.size();
  Refuses(kMi << 10, ErrorCode::kNoSpace, "needed");
  image.bytes.resize(length + kMi);
  Works(kMi << 10);
  EXPECT_EQ(image.bytes.size(), length + kMi);
}

TEST_F(ResizerTest, ATailThatNothingCountsIsNotHandedToTheDisk) {
  Make(kMi, "", kMi);
  image.bytes.resize(image.bytes.size() + kMi, std::byte{9});
  Works(2 * kMi, Growth::kMetadata);
  std::vector<std::byte> disk = Fill(kMi, 5);
  disk.resize(2 * kMi);
  EXPECT_EQ(Shown(), disk);
}

TEST_F(ResizerTest, AThousandTimesUpAndDownKeepTheStorage) {
  for (const char* options : {"", "cluster_size=512", "refcount_bits=1,cluster_size=4k"}) {
    SCOPED_TRACE(options);
    image.bytes.clear();
    Make(kMi, options, kMi);
    Works(40 * kMi);
    Works(kMi);
    const std::size_t length = image.bytes.size();
    for (int i = 0; i < 1000; ++i) {
      ASSERT_TRUE(Resize(40 * kMi + i % 7 * 512));
      ASSERT_TRUE(Resize(kMi));
    }
    EXPECT_LE(image.bytes.size(), length + 8 * header().cluster_bytes());
    EXPECT_EQ(Shown(), Fill(kMi, 5));
    EXPECT_EQ(test::CheckedImage(image, FormatId::kQcow2).counts.leaks, 0u);
  }
}

TEST_F(ResizerTest, LeaksAreLeftAsTheyAre) {
  Make(kMi, "", kMi);
  Header changed = header();
  const std::uint64_t leaked = LoadBe64(image.bytes, L2At(3)) & kOffsetMask;
  StoreBe64(image.bytes, L2At(3), 0);
  SetHeader(changed);
  ASSERT_TRUE(Resize(512 * kKi));
  ASSERT_TRUE(Resize(std::uint64_t{1} << 43));
  EXPECT_EQ(test::CheckedImage(image, FormatId::kQcow2).counts.leaks, 1u);
  EXPECT_EQ(image.bytes[leaked], std::byte{5});
}

TEST_F(ResizerTest, AnImageMarkedDirtyIsCountedAnew) {
  Make(kMi, "lazy_refcounts=on", 256 * kKi);
  Header changed = header();
  changed.incompatible_features |= kIncompatDirty;
  SetHeader(changed);
  const std::uint64_t block = LoadBe64(image.bytes, changed.refcount_table_offset);
  const std::uint64_t cluster = (LoadBe64(image.bytes, L2At(2)) & kOffsetMask) >> 16;
  StoreBe16(image.bytes, block + cluster * 2, 0);
  Works(2 * kMi);
  EXPECT_EQ(header().incompatible_features & kIncompatDirty, 0u);
}

TEST_F(ResizerTest, RefusesImagesThatHaveToBeRepaired) {
  Make(4 * kMi, "", kMi);
  const std::vector<std::byte> sound = image.bytes;
  const std::uint64_t block = LoadBe64(image.bytes, header().refcount_table_offset);
  StoreBe16(image.bytes, block + (LoadBe64(image.bytes, L2At(2)) & kOffsetMask) / 65536 * 2, 0);
  Refuses(512 * kKi, ErrorCode::kCorrupt, "check -r");
  image.bytes = sound;
  StoreBe64(image.bytes, L2At(20), LoadBe64(image.bytes, L2At(2)));  // used twice
  Refuses(512 * kKi, ErrorCode::kCorrupt, "check -r");
  image.bytes = sound;
  Header changed = header();
  changed.incompatible_features |= kIncompatCorrupt;
  SetHeader(changed);
  Refuses(8 * kMi, ErrorCode::kCorrupt, "check -r");
}

TEST_F(ResizerTest, RefusesWhatTheFormatHasNot) {
  Make(kMi, "cluster_size=512");
  Refuses(kMi + 1, ErrorCode::kInvalidArgument, "multiple of 512");
  Refuses((std::uint64_t{128} << 30) + 512, ErrorCode::kLimit, "File too large");
  image.bytes.clear();
  Make(kMi, "compat=0.10");
  Header changed = header();
  changed.snapshot_count = 1;
  changed.snapshots_offset = 4096 * 65536;
  SetHeader(changed);
  Refuses(2 * kMi, ErrorCode::kUnsupported, "v2 image which has snapshots");
}

TEST_F(ResizerTest, ADiskThatIsFullChangesNothing) {
  Make(kMi, "", kMi);
  image.capacity = image.bytes.size();
  Refuses(std::uint64_t{1} << 44, ErrorCode::kNoSpace, "");
}

// Random sizes on random images, against a disk in memory.
TEST_F(ResizerTest, RandomSizesLeaveWhatTheyShould) {
  constexpr const char* kOptions[] = {"",
                                      "compat=0.10",
                                      "cluster_size=512",
                                      "cluster_size=1k,refcount_bits=64",
                                      "cluster_size=4k,refcount_bits=1",
                                      "extended_l2=on,cluster_size=16k"};
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    image.bytes.clear();
    const std::uint64_t data = random() % 300 * 512;
    Make(data, kOptions[seed % std::size(kOptions)], data);
    std::vector<std::byte> disk = Fill(data, 5);
    for (int step = 0; step < 8; ++step) {
      const std::uint64_t bytes = random() % (step % 3 == 0 ? 5000 : 400) * 512;
      const auto growth = static_cast<Growth>(bytes > disk.size() ? random() % 4 : 0);
      Works(bytes, growth);
      disk.resize(bytes);
      ASSERT_EQ(Shown(), disk) << bytes;
    }
  }
}

}  // namespace
}  // namespace instar::qcow2
