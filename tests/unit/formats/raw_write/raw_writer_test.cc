#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "formats/create.h"
#include "support/memory_device.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

std::unique_ptr<ImageWriter> NewRaw(MemoryDevice& target, std::uint64_t bytes,
                                    std::string_view options = "") {
  auto writer = CreateImage({.format = FormatId::kRaw,
                             .virtual_size_bytes = bytes,
                             .options = test::Settings(FormatId::kRaw, options),
                             .target = &target});
  EXPECT_TRUE(writer) << writer.error().message;
  return writer ? *std::move(writer) : nullptr;
}

TEST(RawWriter, FileHasTheDiskSizeRoundedUpToASector) {
  MemoryDevice target(7 << 20, DeviceId{1});
  const auto writer = NewRaw(target, 1'000'001);
  ASSERT_TRUE(writer->Begin());
  ASSERT_TRUE(writer->Finish());
  EXPECT_EQ(target.bytes.size(), 1'000'448U);
}

TEST(RawWriter, OldContentIsGone) {
  MemoryDevice target(1 << 20, DeviceId{1});
  target.Fill(0, 1 << 20, 0xEE);
  const auto writer = NewRaw(target, 1 << 20);
  ASSERT_TRUE(writer->Begin());
  ASSERT_TRUE(writer->Finish());
  EXPECT_EQ(target.bytes, std::vector<std::byte>(1 << 20));
}

TEST(RawWriter, DataStandsWhereTheDiskHasIt) {
  MemoryDevice target(0, DeviceId{1});
  const auto writer = NewRaw(target, 1 << 20);
  const auto place = writer->PlaceData(512, 4096);
  ASSERT_TRUE(place);
  EXPECT_EQ(place->device, DeviceId{1});
  EXPECT_EQ(place->file_offset, 512U);
  EXPECT_EQ(place->length_bytes, 4096U);
  EXPECT_FALSE(writer->PlaceData(1 << 20, 512));
  EXPECT_FALSE(writer->PlaceData((1 << 20) - 512, 1024));
}

TEST(RawWriter, ZerosAreLeftOutOfAFreshFileAndWrittenToOldOnes) {
  MemoryDevice fresh(0, DeviceId{1});
  const auto sparse = NewRaw(fresh, 1 << 20);
  EXPECT_TRUE(sparse->unplaced_reads_zero());
  ASSERT_TRUE(sparse->PlaceZero(0, 4096));
  EXPECT_EQ(fresh.writes, 0U);

  MemoryDevice old(1 << 20, DeviceId{1});
  old.reads_zero = false;
  old.Fill(0, 1 << 20, 0xEE);
  const auto dense = NewRaw(old, 1 << 20);
  EXPECT_FALSE(dense->unplaced_reads_zero());
  ASSERT_TRUE(dense->PlaceZero(4096, 4096));
  EXPECT_EQ(old.bytes[4095], std::byte{0xEE});
  EXPECT_EQ(old.bytes[4096], std::byte{0});
  EXPECT_EQ(old.bytes[8191], std::byte{0});
  EXPECT_EQ(old.bytes[8192], std::byte{0xEE});
}

TEST(RawWriter, ATargetOfFixedLengthMustBeLongEnough) {
  MemoryDevice target(1 << 20, DeviceId{1});
  target.reads_zero = false;
  const Status begun = NewRaw(target, 2 << 20)->Begin();
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, ErrorCode::kNoSpace);
}

TEST(RawWriter, OnlyPreallocationOfStorageIsKnown) {
  MemoryDevice target(0, DeviceId{1});
  for (const char* options : {"preallocation=off", "preallocation=falloc", "preallocation=full",
                              "nocow=on", "extent_size_hint=1M"}) {
    EXPECT_TRUE(NewRaw(target, 512, options)) << options;
  }
  const auto writer =
      CreateImage({.format = FormatId::kRaw,
                   .virtual_size_bytes = 512,
                   .options = test::Settings(FormatId::kRaw, "preallocation=metadata"),
                   .target = &target});
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, ErrorCode::kInvalidArgument);
  for (const char* options : {"cluster_size=64k", "backing_file=b"}) {
    EXPECT_FALSE(CreateOptionList::Read(FormatId::kRaw, options)) << options;
  }
}

TEST(RawImageEditor, KeepsWhatIsNotPlaced) {
  MemoryDevice target(2 << 20, DeviceId{1});
  target.reads_zero = false;
  target.Fill(0, 2 << 20, 0xEE);
  const auto writer =
      OpenForWriting({.format = FormatId::kRaw, .virtual_size_bytes = 1 << 20, .target = &target});
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->Begin());
  ASSERT_TRUE((*writer)->PlaceZero(0, 512));
  ASSERT_TRUE((*writer)->Finish());
  EXPECT_EQ(target.bytes.size(), 2U << 20);
  EXPECT_EQ(target.bytes[511], std::byte{0});
  EXPECT_EQ(target.bytes[512], std::byte{0xEE});
  EXPECT_FALSE(
      OpenForWriting({.format = FormatId::kRaw, .virtual_size_bytes = 4 << 20, .target = &target}));
}

TEST(RawWriter, AWindowOfAKeptTargetIsWrittenAndNothingElse) {
  MemoryDevice target(4096, DeviceId{1});
  target.reads_zero = false;
  target.Fill(0, 4096, 0xEE);
  const auto writer = OpenForWriting({.format = FormatId::kRaw,
                                      .virtual_size_bytes = 1024,
                                      .target = &target,
                                      .window = {.offset_bytes = 1000, .size_bytes = 1024}});
  ASSERT_TRUE(writer) << writer.error().message;
  EXPECT_EQ((*writer)->PlaceData(512, 512)->file_offset, 1512U);
  EXPECT_FALSE((*writer)->PlaceData(1024, 512));
  ASSERT_TRUE((*writer)->Begin());
  ASSERT_TRUE((*writer)->PlaceZero(0, 1024));
  ASSERT_TRUE((*writer)->Finish());
  std::vector<std::byte> expected(4096, std::byte{0xEE});
  std::fill_n(expected.begin() + 1000, 1024, std::byte{0});
  EXPECT_EQ(target.bytes, expected);
}

TEST(RawWriter, ADiskLargerThanTheWindowIsRefused) {
  MemoryDevice target(4096, DeviceId{1});
  for (const RawWindow window :
       {RawWindow{.offset_bytes = 0, .size_bytes = 512}, RawWindow{.offset_bytes = 3584},
        RawWindow{.offset_bytes = 8192}, RawWindow{.offset_bytes = 0, .size_bytes = 1000}}) {
    EXPECT_FALSE(OpenForWriting({.format = FormatId::kRaw,
                                 .virtual_size_bytes = 1024,
                                 .target = &target,
                                 .window = window}));
  }
}

}  // namespace
}  // namespace instar::test
