#include "report/map_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace instar::vmm {
namespace {

using ::testing::ElementsAre;

class Batch {
 public:
  Batch& Disk(std::uint64_t bytes) {
    writer_.Unsigned(static_cast<std::uint32_t>(MapTag::kDisk), bytes);
    return *this;
  }
  Batch& Stretch(std::uint64_t start, std::uint64_t length, std::uint32_t flags = 0) {
    MapStretch{.start = start, .length_bytes = length, .flags = flags}.EncodeTo(writer_);
    return *this;
  }
  Batch& Field(std::uint32_t tag, std::size_t bytes) {
    writer_.Bytes(tag, std::vector<std::byte>(bytes));
    return *this;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return writer_.bytes(); }

 private:
  WireWriter writer_;
};

class MapStreamTest : public ::testing::Test {
 protected:
  MapStream Open(std::uint64_t start = 0, std::uint64_t max_length = ~std::uint64_t{0}) {
    return MapStream(
        start, max_length, [this] { return readable_; },
        [this](const MapStretch& stretch) {
          lengths_.push_back(stretch.length_bytes);
          return lengths_.size() < wanted_;
        });
  }

  std::uint64_t readable_ = 1 << 20;
  std::size_t wanted_ = ~std::size_t{0};
  std::vector<std::uint64_t> lengths_;
};

TEST_F(MapStreamTest, StretchesThatCoverTheDiskAreHandedOnInOrder) {
  MapStream stream = Open();
  EXPECT_EQ(stream.Accept(Batch().Disk(100).Stretch(0, 60).bytes()), RecordVerdict::kAccepted);
  EXPECT_FALSE(stream.Complete());
  EXPECT_EQ(stream.Accept(Batch().Stretch(60, 40).bytes()), RecordVerdict::kAccepted);
  EXPECT_TRUE(stream.Complete());
  EXPECT_THAT(lengths_, ElementsAre(60, 40));
}

TEST_F(MapStreamTest, AWindowIsCompleteWhenItIsCovered) {
  MapStream stream = Open(10, 20);
  EXPECT_EQ(stream.Accept(Batch().Disk(100).Stretch(10, 20).bytes()), RecordVerdict::kAccepted);
  EXPECT_TRUE(stream.Complete());
}

TEST_F(MapStreamTest, AWindowBeyondTheEndIsCompleteAndEmpty) {
  MapStream stream = Open(200, 20);
  EXPECT_EQ(stream.Accept(Batch().Disk(100).bytes()), RecordVerdict::kAccepted);
  EXPECT_TRUE(stream.Complete());
  EXPECT_TRUE(stream.empty());
}

TEST_F(MapStreamTest, WhatIsNoMapIsMalformed) {
  const Batch bad[] = {
      Batch().Stretch(0, 10),                                        // before the disk
      Batch().Disk(100).Disk(100),                                   // the disk twice
      Batch().Disk(100).Stretch(0, 0),                               // nothing
      Batch().Disk(100).Stretch(1, 10),                              // a gap
      Batch().Disk(100).Stretch(0, 10).Stretch(9, 10),               // an overlap
      Batch().Disk(100).Stretch(0, 101),                             // beyond the end
      Batch().Disk(100).Stretch(0, 100).Stretch(100, 1),             // after the end
      Batch().Disk(100).Stretch(0, 100, MapStretch::kAllFlags + 1),  // an unknown flag
      Batch().Disk(std::uint64_t{1} << 63),                          // larger than any disk
      Batch().Disk(100).Field(2, 39),                                // too short
      Batch().Disk(100).Field(3, 40),                                // of an unknown kind
      Batch().Field(1, 4),
  };
  for (const Batch& batch : bad) {
    MapStream stream = Open();
    EXPECT_EQ(stream.Accept(batch.bytes()), RecordVerdict::kMalformed) << &batch - bad;
  }
}

TEST_F(MapStreamTest, WhoWantsNoMoreStopsTheGuest) {
  wanted_ = 2;
  MapStream stream = Open();
  EXPECT_EQ(stream.Accept(Batch().Disk(100).Stretch(0, 1).Stretch(1, 1).Stretch(2, 1).bytes()),
            RecordVerdict::kOverLimit);
  EXPECT_TRUE(stream.stopped());
  EXPECT_THAT(lengths_, ElementsAre(1, 1));
}

TEST_F(MapStreamTest, FilesAreLookedAtOnlyWhereItMatters) {
  int asked = 0;
  MapStream stream(
      0, ~std::uint64_t{0},
      [&asked] {
        ++asked;
        return 1000;
      },
      [](const MapStretch&) { return true; });
  ASSERT_EQ(stream.Accept(Batch().Disk(INT64_MAX).bytes()), RecordVerdict::kAccepted);
  std::uint64_t start = 0;
  while (start < MapStream::kFreeStretches) {
    ASSERT_EQ(stream.Accept(Batch().Stretch(start++, 1).bytes()), RecordVerdict::kAccepted);
  }
  EXPECT_EQ(asked, 0);
  while (start < MapStream::kFreeStretches + 2000) {
    ASSERT_EQ(stream.Accept(Batch().Stretch(start++, 1).bytes()), RecordVerdict::kAccepted);
  }
  EXPECT_EQ(asked, 1);
}

TEST_F(MapStreamTest, ThereCannotBeMoreStretchesThanTheFilesCouldDescribe) {
  readable_ = 1;
  MapStream stream = Open();
  const std::uint64_t most = MapStream::kFreeStretches + 2 * MapStream::kStretchesPerByte;
  ASSERT_EQ(stream.Accept(Batch().Disk(INT64_MAX).bytes()), RecordVerdict::kAccepted);
  RecordVerdict verdict = RecordVerdict::kAccepted;
  std::uint64_t start = 0;
  while (verdict == RecordVerdict::kAccepted && start <= most) {
    verdict = stream.Accept(Batch().Stretch(start, 1).bytes());
    ++start;
  }
  EXPECT_EQ(verdict, RecordVerdict::kOverLimit);
  EXPECT_TRUE(stream.over_limit());
  EXPECT_FALSE(stream.stopped()) << "nobody asked to";
  EXPECT_FALSE(stream.Complete());
  EXPECT_EQ(lengths_.size() + 1, start) << "the last one is not handed on";
}

}  // namespace
}  // namespace instar::vmm
