#include "formats/raw/reader.h"

#include <gtest/gtest.h>

#include "support/memory_device.h"
#include "support/text_sink.h"

namespace instar {
namespace {

using test::MemoryDevice;

TEST(RawReader, TheSizeIsRoundedUpToWholeSectors) {
  for (const auto& [file_bytes, disk_bytes] :
       {std::pair{0, 0}, {1, 512}, {512, 512}, {1025, 1536}}) {
    const MemoryDevice file(file_bytes);
    const auto reader = raw::OpenReader(file);
    ASSERT_TRUE(reader);
    EXPECT_EQ((*reader)->virtual_size_bytes(), disk_bytes);
  }
}

TEST(RawReader, WhatTheFileLacksOfTheLastSectorReadsAsZeros) {
  MemoryDevice file(1025);
  file.Fill(0, 1025, 0xAA);
  const auto reader = raw::OpenReader(file);
  const auto cursor = (*reader)->OpenCursor();
  const auto data = (*cursor)->Next(0, 1536);
  ASSERT_TRUE(data);
  EXPECT_EQ(data->kind, ExtentKind::kData);
  EXPECT_EQ(data->length_bytes, 1025U);
  const auto rest = (*cursor)->Next(1025, 511);
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->kind, ExtentKind::kZero);
  EXPECT_EQ(rest->length_bytes, 511U);
  EXPECT_FALSE(rest->has_offset);
}

TEST(RawReader, HolesAreZerosWithoutStorageAndTheRestIsDataAtItsOffset) {
  MemoryDevice file(3 * 4096);
  file.Fill(4096, 4096, 1);
  const auto reader = raw::OpenReader(file);
  const auto cursor = (*reader)->OpenCursor();
  const auto hole = (*cursor)->Next(0, 3 * 4096);
  EXPECT_EQ(hole->kind, ExtentKind::kZero);
  EXPECT_EQ(hole->length_bytes, 4096U);
  const auto data = (*cursor)->Next(5000, 3 * 4096 - 5000);
  EXPECT_EQ(data->kind, ExtentKind::kData);
  EXPECT_EQ(data->file_offset, 5000U);
  EXPECT_EQ(data->device, file.id());
  EXPECT_EQ(data->length_bytes, 8192U - 5000U);
}

// A device that claims more than it was asked for must not push an extent beyond the disk.
class LyingDevice final : public BlockDevice {
 public:
  [[nodiscard]] DeviceId id() const override { return DeviceId{7}; }
  [[nodiscard]] std::uint64_t size_bytes() const override { return 4096; }
  Status Read(std::uint64_t, std::span<std::byte>) const override { return {}; }
  Status Write(std::uint64_t, std::span<const std::byte>) override { return {}; }
  Result<std::size_t> NextRuns(std::uint64_t offset, std::uint64_t,
                               std::span<FileRun> runs) const override {
    runs.front() = {.length_bytes = offset == 0 ? UINT64_MAX : 0, .hole = false};
    return std::size_t{1};
  }
};

TEST(RawReader, RunsAreCutToWhatWasAskedFor) {
  const LyingDevice device;
  const auto reader = raw::OpenReader(device);
  const auto cursor = (*reader)->OpenCursor();
  EXPECT_EQ((*cursor)->Next(0, 100)->length_bytes, 100U);
  EXPECT_EQ((*cursor)->Next(4000, 1000)->length_bytes, 96U);
  const auto other = (*reader)->OpenCursor();
  EXPECT_EQ((*other)->Next(1, 100)->length_bytes, 1U);
}

TEST(RawReader, AWindowIsTheDisk) {
  MemoryDevice file(4 * 4096);
  file.Fill(4096, 4096, 1);
  const auto reader = raw::OpenReader(file, {.offset_bytes = 1024, .size_bytes = 8192});
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->virtual_size_bytes(), 8192U);
  const auto cursor = (*reader)->OpenCursor();
  const auto hole = (*cursor)->Next(0, 8192);
  EXPECT_EQ(hole->kind, ExtentKind::kZero);
  EXPECT_EQ(hole->length_bytes, 4096U - 1024U);
  const auto data = (*cursor)->Next(4000, 4192);
  EXPECT_EQ(data->kind, ExtentKind::kData);
  EXPECT_EQ(data->file_offset, 5024U);
  EXPECT_EQ(data->length_bytes, 8192U - 5024U);
  const auto rest = (*cursor)->Next(7168, 1024);
  EXPECT_EQ(rest->kind, ExtentKind::kZero);
  EXPECT_EQ(rest->length_bytes, 1024U);
}

TEST(RawReader, AWindowBetweenSectorsEndsInZeros) {
  MemoryDevice file(1024);
  file.Fill(0, 1024, 0xAA);
  const auto reader = raw::OpenReader(file, {.offset_bytes = 100});
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->virtual_size_bytes(), 1024U);
  const auto cursor = (*reader)->OpenCursor();
  EXPECT_EQ((*cursor)->Next(0, 1024)->length_bytes, 924U);
  const auto rest = (*cursor)->Next(924, 100);
  EXPECT_EQ(rest->kind, ExtentKind::kZero);
  EXPECT_EQ(rest->length_bytes, 100U);
}

TEST(RawReader, HasNoSnapshotsAndNamesNoFiles) {
  const MemoryDevice file(512);
  const auto reader = raw::OpenReader(file);
  EXPECT_EQ((*reader)->SelectSnapshot("1").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ((*reader)->Attach(0, file).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ((*reader)->cluster_size_bytes(), 0U);
}

TEST(RawReader, DescribesNothingButThatItIsNotDirty) {
  const MemoryDevice file(512);
  const auto reader = raw::OpenReader(file);
  test::TextSink sink;
  ASSERT_TRUE((*reader)->Describe(sink));
  EXPECT_EQ(sink.text, "dirty-flag: false");
}

}  // namespace
}  // namespace instar
