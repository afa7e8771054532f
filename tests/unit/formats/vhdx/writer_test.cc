#include "formats/vhdx/writer.h"

#include <gtest/gtest.h>

#include "formats/measure.h"
#include "formats/open.h"
#include "formats/vhdx/image.h"
#include "support/fresh_image.h"
#include "support/map_text.h"
#include "support/memory_device.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = 1 << 30;

Result<std::unique_ptr<ImageWriter>> New(MemoryDevice& target, std::uint64_t bytes,
                                         std::string_view options = "") {
  return NewImage(FormatId::kVhdx, target, bytes, options);
}

std::string Written(MemoryDevice& target, std::uint64_t bytes, std::string_view options) {
  const auto writer = New(target, bytes, options);
  if (!writer) return writer.error().message;
  EXPECT_TRUE((*writer)->Begin());
  Put(**writer, target, kMiB, kMiB, 0x11);
  Put(**writer, target, 4 * kMiB, kMiB, 0x22);
  EXPECT_TRUE((*writer)->Finish());
  const auto reader = OpenImage(target, FormatId::kVhdx);
  return reader ? MapText(**reader) : reader.error().message;
}

TEST(VhdxWriter, DynamicDisksHaveTheBlocksThatWerePlaced) {
  MemoryDevice target(1000, DeviceId{1});
  EXPECT_EQ(Written(target, 6 * kMiB, "block_size=1M"),
            "Z1048576 D1048576@4194304 Z2097152 D1048576@5242880 Z1048576");
  EXPECT_EQ(target.bytes.size(), 6 * kMiB);
  EXPECT_EQ(target.bytes[4 * kMiB], std::byte{0x11});
}

// In text, the thirteenth hexadecimal digit of a GUID is its version; on disk it is in byte 7.
bool IsRandomGuid(const vhdx::Guid& guid) {
  return guid[7] >> 4 == std::byte{4} && guid[8] >> 6 == std::byte{2};
}

TEST(VhdxWriter, AllIdentifiersFollowFromTheSeedAndDiffer) {
  std::vector<vhdx::Guid> ids;
  for (const unsigned seed : {1U, 2U, 1U}) {
    MemoryDevice target(0, DeviceId{1});
    const auto writer = New(target, kMiB).value();
    writer->SetIdentity({static_cast<std::byte>(seed)});
    ASSERT_TRUE(writer->Begin());
    ASSERT_TRUE(writer->Finish());
    const auto image = vhdx::Image::Open(target).value();
    for (const vhdx::Guid& id :
         {image.header.file_write_id, image.header.data_write_id, image.metadata.disk_id}) {
      EXPECT_TRUE(IsRandomGuid(id));
      ids.push_back(id);
    }
    EXPECT_EQ(image.header.log_id, vhdx::kNoGuid);
  }
  for (std::size_t i = 0; i < 6; ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(ids[i], ids[j]) << i << " and " << j;
  }
  EXPECT_TRUE(std::equal(ids.begin(), ids.begin() + 3, ids.begin() + 6));
}

TEST(VhdxWriter, PartsOfOneBlockShareItsPlace) {
  MemoryDevice target(0, DeviceId{1});
  EXPECT_EQ(Written(target, 6 * kMiB, ""), "D6291456@4194304");
  EXPECT_EQ(target.bytes.size(), 12 * kMiB);
  EXPECT_EQ(target.bytes[5 * kMiB], std::byte{0x11});
  EXPECT_EQ(target.bytes[8 * kMiB], std::byte{0x22});
}

TEST(VhdxWriter, FixedDisksHaveAllBlocksInOrder) {
  MemoryDevice target(0, DeviceId{1});
  EXPECT_EQ(Written(target, 6 * kMiB, "subformat=fixed,block_size=1M"), "D6291456@4194304");
  EXPECT_EQ(target.bytes.size(), 10 * kMiB);
  EXPECT_EQ(target.bytes[5 * kMiB], std::byte{0x11});
  const auto image = vhdx::Image::Open(target);
  ASSERT_TRUE(image);
  EXPECT_TRUE(image->metadata.fixed);
}

TEST(VhdxWriter, UnplacedBlocksAreMarkedAsAsked) {
  for (const auto& [options, state] :
       {std::pair{"block_size=1M", 2U}, {"block_size=1M,block_state_zero=off", 0U}}) {
    MemoryDevice target(0, DeviceId{1});
    Written(target, 6 * kMiB, options);
    for (const std::uint64_t block : {0U, 2U, 3U, 5U}) {
      EXPECT_EQ(LoadLe64(target.bytes, 2 * kMiB + 8 * block), state) << options << block;
    }
    EXPECT_EQ(LoadLe64(target.bytes, 2 * kMiB + 8) & 7, 6U);
  }
}

// The defaults of qemu-img 7.2.
TEST(VhdxWriter, TheBlockSizeFollowsTheSizeOfTheDisk) {
  for (const auto& [size, block] : {std::pair{std::uint64_t{0}, 8U},
                                    {kGiB, 8U},
                                    {kGiB + 512, 16U},
                                    {100 * kGiB, 16U},
                                    {100 * kGiB + 512, 32U},
                                    {32 * 1024 * kGiB, 32U},
                                    {33 * 1024 * kGiB, 64U}}) {
    MemoryDevice target(0, DeviceId{1});
    const auto writer = New(target, size).value();
    ASSERT_TRUE(writer->Begin());
    ASSERT_TRUE(writer->Finish());
    const auto reader = OpenImage(target, FormatId::kVhdx);
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ((*reader)->cluster_size_bytes(), block * kMiB) << size;
    EXPECT_EQ((*reader)->virtual_size_bytes(), size);
  }
}

TEST(VhdxWriter, SizesOfBlocksAndLogAreRoundedAsQemuImgDoes) {
  struct Case {
    std::string_view options;
    std::uint64_t block, log;
  };
  for (const Case& c :
       {Case{"block_size=1", kMiB, kMiB}, Case{"block_size=512k", kMiB, kMiB},
        Case{"block_size=512M", 256 * kMiB, kMiB}, Case{"block_size=0", 8 * kMiB, kMiB},
        Case{"log_size=1", 8 * kMiB, kMiB}, Case{"log_size=2.5M", 8 * kMiB, 3 * kMiB}}) {
    MemoryDevice target(0, DeviceId{1});
    const auto writer = New(target, kMiB, c.options).value();
    ASSERT_TRUE(writer->Begin());
    ASSERT_TRUE(writer->Finish());
    const auto image = vhdx::Image::Open(target);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->metadata.block_bytes, c.block) << c.options;
    EXPECT_EQ(image->header.log_bytes, c.log) << c.options;
  }
}

TEST(VhdxWriter, WhatItCannotWriteIsRefusedBeforeTheTargetIsTouched) {
  MemoryDevice target(7, DeviceId{1});
  for (const char* options :
       {"block_size=3M", "log_size=0", "log_size=4G", "subformat=sparse",
        "logical_sector_size=1024", "cluster_size=64k", "block_state_zero=2"}) {
    EXPECT_FALSE(New(target, kMiB, options)) << options;
  }
  EXPECT_FALSE(New(target, (std::uint64_t{64} << 40) + 512));
  EXPECT_FALSE(New(target, 0, "block_size=256M"));
  EXPECT_FALSE(CreateImage({.format = FormatId::kVhdx,
                            .virtual_size_bytes = kMiB,
                            .backing_name = "base",
                            .target = &target}));
  EXPECT_EQ(target.bytes.size(), 7U);
}

TEST(VhdxWriter, SectorsMayHave4096Bytes) {
  MemoryDevice target(0, DeviceId{1});
  const auto writer = New(target, kMiB + 1, "logical_sector_size=4096").value();
  ASSERT_TRUE(writer->Begin());
  ASSERT_TRUE(writer->Finish());
  const auto image = vhdx::Image::Open(target);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->metadata.logical_sector_bytes, 4096U);
  EXPECT_EQ(image->metadata.virtual_bytes, kMiB + 4096);
}

TEST(VhdxWriter, NothingSaysVhdxBeforeTheEnd) {
  MemoryDevice target(0, DeviceId{1});
  const auto writer = New(target, 4 * kMiB).value();
  ASSERT_TRUE(writer->Begin());
  Put(*writer, target, 0, kMiB, 0x11);
  EXPECT_EQ(ProbeFormat(target).value(), FormatId::kRaw);
  ASSERT_TRUE(writer->Finish());
  EXPECT_EQ(ProbeFormat(target).value(), FormatId::kVhdx);
}

TEST(VhdxWriter, AnOldTargetShowsNothingOfWhatItHeld) {
  for (const char* options : {"block_size=1M", "block_size=1M,block_state_zero=off", ""}) {
    MemoryDevice target(24 * kMiB, DeviceId{1});
    target.Fill(0, 24 * kMiB, 0xEE);
    target.reads_zero = false;
    const auto writer = New(target, 3 * kMiB, options).value();
    ASSERT_TRUE(writer->Begin());
    Put(*writer, target, kMiB, 4096, 0x11);
    ASSERT_TRUE(writer->Finish());
    const auto reader = OpenImage(target, FormatId::kVhdx).value();
    const auto cursor = reader->OpenCursor().value();
    for (std::uint64_t at = 0; at < 3 * kMiB; at += 4096) {
      const auto extent = cursor->Next(at, 4096).value();
      const std::byte got =
          extent.kind == ExtentKind::kData ? target.bytes[extent.file_offset] : std::byte{0};
      ASSERT_EQ(got, at == kMiB ? std::byte{0x11} : std::byte{0}) << options << at;
    }
  }
}

TEST(VhdxMeasurer, TellsTheLengthOfTheFile) {
  for (const std::string_view options :
       {"", "subformat=fixed", "block_size=1M", "log_size=2M", "logical_sector_size=4096"}) {
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{512}, 5 * kMiB, 19 * kMiB}) {
      MemoryDevice target(0, DeviceId{1});
      const auto writer = New(target, size, options).value();
      const auto measurer = MeasureImage({.format = FormatId::kVhdx,
                                          .virtual_size_bytes = size,
                                          .options = test::Settings(FormatId::kVhdx, options)});
      ASSERT_TRUE(measurer);
      ASSERT_TRUE(writer->Begin());
      if (size > kMiB) {
        Put(*writer, target, kMiB, 2 * kMiB, 0x11);
        ASSERT_TRUE((*measurer)->AddData(kMiB, kMiB));
        ASSERT_TRUE((*measurer)->AddData(2 * kMiB, kMiB));
      }
      ASSERT_TRUE(writer->Finish());
      const auto measured = (*measurer)->Finish();
      ASSERT_TRUE(measured);
      EXPECT_EQ(measured->required_bytes, target.bytes.size()) << options << size;
      EXPECT_GE(measured->fully_allocated_bytes, measured->required_bytes);
    }
  }
}

}  // namespace
}  // namespace instar::test
