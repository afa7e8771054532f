// Writing into existing images of vpc, vhdx and vmdk (convert -n).
#include "formats/base/block_image_editor.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "formats/create.h"
#include "formats/open.h"
#include "formats/vhdx/constants.h"
#include "formats/vhdx/header.h"
#include "formats/vmdk/reader.h"
#include "support/memory_device.h"
#include "support/option_settings.h"
#include "support/vhdx_image.h"

namespace instar::test {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kDiskBytes = 8 * kMiB;

struct Kind {
  const char* name;
  FormatId format;
  const char* options;
};

void Put(ImageWriter& writer, MemoryDevice& target, std::uint64_t offset, std::uint64_t length,
         std::uint8_t value) {
  while (length != 0) {
    const auto place = writer.PlaceData(offset, length);
    ASSERT_TRUE(place) << place.error().message;
    target.Fill(place->file_offset, place->length_bytes, value);
    offset += place->length_bytes;
    length -= place->length_bytes;
  }
}

// The byte that each MiB of the disk starts with.
std::string Content(const MemoryDevice& device, FormatId format) {
  const auto reader = OpenImage(device, format).value();
  const auto cursor = reader->OpenCursor().value();
  std::string content;
  for (std::uint64_t at = 0; at < reader->virtual_size_bytes(); at += kMiB) {
    const auto extent = cursor->Next(at, kMiB).value();
    content += extent.kind == ExtentKind::kData
                   ? static_cast<char>(device.bytes[extent.file_offset])
                   : '\0';
  }
  return content;
}

// Data from 2 MiB to 6 MiB.
void Make(const Kind& kind, MemoryDevice& target) {
  const auto writer = CreateImage({.format = kind.format,
                                   .virtual_size_bytes = kDiskBytes,
                                   .options = test::Settings(kind.format, kind.options),
                                   .target = &target})
                          .value();
  ASSERT_TRUE(writer->Begin());
  Put(*writer, target, 2 * kMiB, 4 * kMiB, 'a');
  ASSERT_TRUE(writer->Finish());
  target.reads_zero = false;  // as of a target that is kept
}

Result<std::unique_ptr<ImageWriter>> Overwrite(const Kind& kind, MemoryDevice& target,
                                               std::uint64_t bytes = kDiskBytes) {
  return OpenForWriting({.format = kind.format, .virtual_size_bytes = bytes, .target = &target});
}

class BlockImageEditing : public ::testing::TestWithParam<Kind> {};

TEST_P(BlockImageEditing, StoredBlocksStayWhereTheyAreAndOthersAreAdded) {
  MemoryDevice target(0, DeviceId{1});
  Make(GetParam(), target);
  const auto writer = Overwrite(GetParam(), target);
  ASSERT_TRUE(writer) << writer.error().message;
  ASSERT_TRUE((*writer)->Begin());
  Put(**writer, target, 0, 2 * kMiB, 'b');
  ASSERT_TRUE((*writer)->PlaceZero(2 * kMiB, 2 * kMiB));
  Put(**writer, target, 6 * kMiB, 2 * kMiB, 'c');
  ASSERT_TRUE((*writer)->Finish());
  EXPECT_EQ(Content(target, GetParam().format), std::string("bb\0\0aacc", 8));

  // What has its place keeps it.
  const std::uint64_t bytes = target.bytes.size();
  const auto again = Overwrite(GetParam(), target);
  ASSERT_TRUE(again) << again.error().message;
  ASSERT_TRUE((*again)->Begin());
  Put(**again, target, 0, kDiskBytes, 'd');
  ASSERT_TRUE((*again)->Finish());
  EXPECT_EQ(Content(target, GetParam().format), "dddddddd");
  EXPECT_EQ(target.bytes.size(), bytes);
}

TEST_P(BlockImageEditing, ZerosTakeNoPlace) {
  MemoryDevice target(0, DeviceId{1});
  Make(GetParam(), target);
  const std::uint64_t bytes = target.bytes.size();
  const auto writer = Overwrite(GetParam(), target).value();
  ASSERT_TRUE(writer->Begin());
  ASSERT_TRUE(writer->PlaceZero(0, kDiskBytes));
  ASSERT_TRUE(writer->Finish());
  EXPECT_EQ(Content(target, GetParam().format), std::string(8, '\0'));
  EXPECT_EQ(target.bytes.size(), bytes);
}

TEST_P(BlockImageEditing, ADiskThatIsTooSmallIsLeftAlone) {
  MemoryDevice target(0, DeviceId{1});
  Make(GetParam(), target);
  const auto before = target.bytes;
  const auto writer = Overwrite(GetParam(), target, kDiskBytes + 512);
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, ErrorCode::kNoSpace);
  EXPECT_TRUE(target.bytes == before);
}

TEST_P(BlockImageEditing, WhatComesBeforeWhatWasPlacedIsRefused) {
  MemoryDevice target(0, DeviceId{1});
  Make(GetParam(), target);
  const auto writer = Overwrite(GetParam(), target).value();
  ASSERT_TRUE(writer->Begin());
  Put(*writer, target, 2 * kMiB, 2 * kMiB, 'b');
  EXPECT_FALSE(writer->PlaceData(0, kMiB));
  EXPECT_FALSE(writer->PlaceZero(2 * kMiB, kMiB));
  EXPECT_FALSE(writer->PlaceData(kDiskBytes, kMiB));
}

INSTANTIATE_TEST_SUITE_P(Formats, BlockImageEditing,
                         ::testing::Values(Kind{"vpc", FormatId::kVpc, "force_size=on"},
                                           Kind{"vhdx", FormatId::kVhdx, "block_size=1M"},
                                           Kind{"vmdk", FormatId::kVmdk, ""},
                                           Kind{"vmdk2", FormatId::kVmdk, "zeroed_grain=on"}),
                         [](const auto& kind) { return std::string(kind.param.name); });

TEST(VhdxImageEditor, BothHeadersGetNewIdentifiersAndOneIsAlwaysValid) {
  const Kind kind{"vhdx", FormatId::kVhdx, ""};
  MemoryDevice target(0, DeviceId{1});
  Make(kind, target);
  const auto before = vhdx::Header::ReadCurrent(target).value();
  const auto writer = Overwrite(kind, target).value();
  ASSERT_TRUE(writer->Begin());
  for (const std::uint64_t at : {vhdx::kHeader1Offset, vhdx::kHeader2Offset}) {
    const auto header =
        vhdx::Header::DecodeFrom(std::span(target.bytes).subspan(at, vhdx::Header::kBytes));
    ASSERT_TRUE(header) << header.error().message;
    EXPECT_GT(header->sequence_number, before.sequence_number);
    EXPECT_NE(header->file_write_id, before.file_write_id);
    EXPECT_NE(header->data_write_id, before.data_write_id);
  }
  EXPECT_EQ(vhdx::Header::ReadCurrent(target)->sequence_number, before.sequence_number + 2);
}

TEST(VhdxImageEditor, TheNewIdentifiersFollowFromTheSeedAndFromTheOldOnes) {
  const Kind kind{"vhdx", FormatId::kVhdx, ""};
  MemoryDevice target(0, DeviceId{1});
  Make(kind, target);
  std::vector<vhdx::Guid> ids;
  for (const unsigned seed : {1U, 2U, 1U}) {
    MemoryDevice copy = target;
    const auto writer = Overwrite(kind, copy).value();
    writer->SetIdentity({static_cast<std::byte>(seed)});
    ASSERT_TRUE(writer->Begin());
    ids.push_back(vhdx::Header::ReadCurrent(copy)->data_write_id);
    if (seed == 2) target = copy;
  }
  EXPECT_NE(ids[0], ids[1]);
  EXPECT_NE(ids[0], ids[2]);
}

TEST(VhdxImageEditor, TwoBlocksInOnePlaceAreRefused) {
  VhdxImage image;
  const std::uint64_t at = image.Append('x');
  image.Entry(0, 6, at).Entry(1, 6, at);
  MemoryDevice& target = image.Finish();
  const auto writer = OpenForWriting(
      {.format = FormatId::kVhdx, .virtual_size_bytes = 2 * kMiB, .target = &target});
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, ErrorCode::kCorrupt);
}

TEST(VmdkImageEditor, TheContentIdChangesAndNothingElseOfTheDescriptor) {
  const Kind kind{"vmdk", FormatId::kVmdk, ""};
  MemoryDevice target(0, DeviceId{1});
  Make(kind, target);
  const auto before = vmdk::Reader::Open(target).value()->descriptor().cid;
  const auto writer = Overwrite(kind, target).value();
  ASSERT_TRUE(writer->Begin());
  const auto after = vmdk::Reader::Open(target).value();
  EXPECT_NE(after->descriptor().cid, before);
  EXPECT_EQ(after->descriptor().create_type, "monolithicSparse");
  EXPECT_EQ(after->virtual_size_bytes(), kDiskBytes);
}

TEST(VmdkImageEditor, TheNewContentIdFollowsFromTheSeedAndFromTheOldOne) {
  const Kind kind{"vmdk", FormatId::kVmdk, ""};
  MemoryDevice target(0, DeviceId{1});
  Make(kind, target);
  std::vector<std::uint32_t> ids = {vmdk::Reader::Open(target).value()->descriptor().cid.value()};
  for (const unsigned seed : {1U, 2U, 1U}) {
    const auto writer = Overwrite(kind, target).value();
    writer->SetIdentity({static_cast<std::byte>(seed)});
    ASSERT_TRUE(writer->Begin());
    ids.push_back(vmdk::Reader::Open(target).value()->descriptor().cid.value());
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(ids[i], ids[j]) << i << " and " << j;
  }
}

TEST(VmdkImageEditor, ATableThatLiesOnGrainsIsRefused) {
  const Kind kind{"vmdk", FormatId::kVmdk, ""};
  MemoryDevice target(0, DeviceId{1});
  Make(kind, target);
  const auto header = vmdk::SparseHeader::ReadFrom(target).value();
  // Grain 0 stands where the grain directory does.
  const std::uint64_t table =
      LoadLe32(target.bytes, header.directory_sector * 512) * std::uint64_t{512};
  target.PutLe32(table, static_cast<std::uint32_t>(header.directory_sector));
  const auto before = target.bytes;
  EXPECT_FALSE(Overwrite(kind, target));
  EXPECT_TRUE(target.bytes == before);
}

}  // namespace
}  // namespace instar::test
