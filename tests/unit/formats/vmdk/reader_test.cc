#include "formats/vmdk/reader.h"

#include <gtest/gtest.h>

#include <string>

#include "support/vmdk_image.h"

namespace instar {
namespace {

using test::kGrain;
using test::MapOf;
using test::MemoryDevice;
using test::OpenVmdk;
using test::ReadVmdk;
using test::VmdkFiles;
using test::WriteVmdk;

// Where monolithicSparse images of one grain table have it, and its redundant copy.
constexpr std::uint64_t kTableAt = 27 * 512;
constexpr std::uint64_t kRedundantTableAt = 22 * 512;

VmdkFiles TextImage(const std::string& text, std::vector<std::uint64_t> file_bytes) {
  VmdkFiles image;
  image.files.push_back(std::make_unique<MemoryDevice>(0, DeviceId{1}));
  image[0].PutText(0, text);
  for (const std::uint64_t bytes : file_bytes) {
    const auto id = DeviceId{static_cast<std::uint32_t>(image.files.size() + 1)};
    image.files.push_back(std::make_unique<MemoryDevice>(bytes, id));
  }
  return image;
}

TEST(VmdkReader, MapsGrainsWhereTheTableSays) {
  auto image = WriteVmdk("", 5 * kGrain, {{kGrain, "one"}, {2 * kGrain, "two"}});
  const auto reader = OpenVmdk(image);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(MapOf(**reader),
            "unallocated 0+65536\ndata 65536+131072 @1:65536\nunallocated 196608+131072\n");
}

TEST(VmdkReader, AnExtentAloneIsNoDisk) {
  auto image = WriteVmdk("subformat=twoGbMaxExtentSparse", kGrain, {{0, "x"}});
  const auto reader = vmdk::Reader::Open(image[1]);
  ASSERT_FALSE(reader);
  EXPECT_NE(std::string_view(reader.error().message).find("no descriptor"), std::string_view::npos);
}

TEST(VmdkReader, EntryOneIsZerosOnlyIfTheFlagSaysSo) {
  for (const bool flag : {false, true}) {
    auto image = WriteVmdk(flag ? "zeroed_grain=on" : "", kGrain, {});
    image[0].PutLe32(kTableAt, 1);
    const auto reader = OpenVmdk(image);
    ASSERT_TRUE(reader);
    EXPECT_EQ(MapOf(**reader), flag ? "zero 0+65536\n" : "data 0+65024 @1:512\nzero 65024+512\n");
  }
}

TEST(VmdkReader, ATableBeyondTheEndOfTheFileIsNotReadAsEmpty) {
  auto image = WriteVmdk("", kGrain, {{0, "x"}});
  image[0].PutLe32(26 * 512, 1 << 20);  // the entry of the grain directory
  const auto reader = OpenVmdk(image);
  ASSERT_TRUE(reader);
  EXPECT_NE(MapOf(**reader).find("beyond the end of the file"), std::string::npos);
}

TEST(VmdkReader, AFileThatEndsWithinItsTablesIsNoEmptyDisk) {
  auto image = WriteVmdk("", kGrain, {{0, "x"}});
  for (const std::size_t bytes : {65535, 40000, 27 * 512}) {
    image[0].bytes.resize(bytes);
    const auto reader = OpenVmdk(image);
    ASSERT_FALSE(reader) << bytes;
    EXPECT_EQ(reader.error().code, ErrorCode::kCorrupt);
  }
}

TEST(VmdkReader, WhatOfAGrainIsNotInTheFileReadsAsZeros) {
  auto image = WriteVmdk("", kGrain, {{0, "x"}});
  image[0].bytes.resize(65536 + 4096);
  const auto reader = OpenVmdk(image);
  ASSERT_TRUE(reader);
  EXPECT_EQ(MapOf(**reader), "data 0+4096 @1:65536\nzero 4096+61440\n");
}

TEST(VmdkReader, InflatesGrains) {
  auto image = WriteVmdk("subformat=streamOptimized", 3 * kGrain, {{kGrain, "squeezed"}});
  const auto reader = OpenVmdk(image);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->cluster_size_bytes(), kGrain);
  EXPECT_EQ(MapOf(**reader),
            "unallocated 0+65536\ncompressed 65536+65536\nunallocated "
            "131072+65536\n");
  const auto text = ReadVmdk(image, **reader, kGrain, 10);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, std::string("squeezed\0\0", 10));
}

TEST(VmdkReader, EveryDamagedByteOfACompressedGrainIsNoticed) {
  auto image = WriteVmdk("subformat=streamOptimized", kGrain, {{0, "squeezed"}});
  const std::uint64_t grain = 128 * 512;
  const std::uint64_t length = LoadLe32(image[0].bytes, grain + 8);
  for (std::uint64_t i = 8; i < 12 + length; ++i) {
    image[0].bytes[grain + i] ^= std::byte{0x10};
    const auto reader = OpenVmdk(image);
    ASSERT_TRUE(reader);
    const auto text = ReadVmdk(image, **reader, 0, 16);
    // Of a longer stream than there is, the surplus is not looked at.
    if (text) {
      EXPECT_EQ(text->substr(0, 8), "squeezed") << "byte " << i;
    } else {
      EXPECT_EQ(text.error().code, ErrorCode::kCorrupt);
    }
    image[0].bytes[grain + i] ^= std::byte{0x10};
  }
}

TEST(VmdkReader, ExtentsFollowOneAnother) {
  auto image = TextImage(
      "# Disk DescriptorFile\ncreateType=\"custom\"\nRW 8 FLAT \"a\" 2\nRW 4 ZERO\n"
      "RDONLY 8 FLAT \"b\" 0\n",
      {6144, 8192});
  image[1].Fill(0, 6144, 1);
  image[2].Fill(0, 8192, 2);
  const auto reader = OpenVmdk(image);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->virtual_size_bytes(), 20 * 512u);
  EXPECT_EQ((*reader)->cluster_size_bytes(), 0u);
  EXPECT_EQ(MapOf(**reader), "data 0+4096 @2:1024\nzero 4096+2048\ndata 6144+4096 @3:0\n");
}

TEST(VmdkReader, WhatIsNotAccessibleIsAnErrorAndNotZeros) {
  auto image = TextImage(
      "# Disk DescriptorFile\ncreateType=\"custom\"\nRW 8 ZERO\nNOACCESS 8 FLAT \"b\" 0\n", {});
  const auto reader = OpenVmdk(image);
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->references().size(), 0u);
  EXPECT_NE(MapOf(**reader).find("not accessible"), std::string::npos);
}

TEST(VmdkReader, NothingIsReadBeforeAllExtentsAreAttached) {
  auto image = WriteVmdk("subformat=twoGbMaxExtentSparse", kGrain, {{0, "x"}});
  const auto reader = vmdk::OpenReader(image[0]);
  ASSERT_TRUE(reader);
  EXPECT_FALSE((*reader)->OpenCursor());
  EXPECT_FALSE((*reader)->Attach(1, image[1]));
}

TEST(VmdkReader, AnExtentSmallerThanTheDescriptorSaysIsCorrupt) {
  auto image = WriteVmdk("subformat=twoGbMaxExtentSparse", 2 * kGrain, {});
  auto other = WriteVmdk("subformat=twoGbMaxExtentSparse", kGrain, {});
  const auto reader = vmdk::OpenReader(image[0]);
  ASSERT_TRUE(reader);
  const Status attached = (*reader)->Attach(0, other[1]);
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().code, ErrorCode::kCorrupt);
}

TEST(VmdkReader, ADescriptorThatNamesItselfAsASparseExtentIsRefused) {
  auto image = TextImage(
      "# Disk DescriptorFile\ncreateType=\"twoGbMaxExtentSparse\"\nRW 8 SPARSE \"disk.vmdk\"\n",
      {});
  const auto reader = vmdk::OpenReader(image[0]);
  ASSERT_TRUE(reader);
  EXPECT_FALSE((*reader)->Attach(0, image[0]));
}

TEST(VmdkReader, AChildWithoutItsParentIsNotReadAsZeros) {
  auto image = TextImage(
      "# Disk DescriptorFile\nCID=1\nparentCID=2\ncreateType=\"monolithicFlat\"\nRW 1 ZERO\n", {});
  const auto reader = vmdk::OpenReader(image[0]);
  ASSERT_TRUE(reader);
  const auto cursor = (*reader)->OpenCursor();
  ASSERT_FALSE(cursor);
  EXPECT_EQ(cursor.error().code, ErrorCode::kCorrupt);
}

TEST(VmdkReader, TheParentMustHaveTheContentIdTheChildWasMadeUpon) {
  auto base = WriteVmdk("", kGrain, {{0, "x"}}, nullptr, {}, {std::byte{1}});
  auto other = WriteVmdk("", kGrain, {{0, "y"}}, nullptr, {}, {std::byte{2}});
  const auto base_reader = OpenVmdk(base);
  ASSERT_TRUE(base_reader);
  auto child = WriteVmdk("", kGrain, {}, base_reader->get());
  const auto reader = OpenVmdk(child);
  ASSERT_TRUE(reader) << reader.error().message;
  ASSERT_EQ((*reader)->references().size(), 1u);
  EXPECT_EQ((*reader)->references()[0].name, "parent.vmdk");
  EXPECT_EQ((*reader)->references()[0].format_name, "vmdk");
  EXPECT_TRUE((*reader)->CheckBacking(**base_reader));
  const auto other_reader = OpenVmdk(other);
  ASSERT_TRUE(other_reader);
  EXPECT_FALSE((*reader)->CheckBacking(**other_reader));
}

TEST(VmdkReader, DescriptorsAreBounded) {
  MemoryDevice file(0, DeviceId{1});
  file.PutText(0, "# Disk DescriptorFile\ncreateType=\"monolithicFlat\"\n");
  file.bytes.resize((1 << 20) + 1);
  const auto reader = vmdk::OpenReader(file);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, ErrorCode::kLimit);
}

TEST(VmdkReader, KindsThatCannotBeReadAreNamed) {
  for (const char* type : {"vmfsSparse", "fullDevice", "seSparse", "partitionedDevice"}) {
    auto image = TextImage(
        "# Disk DescriptorFile\ncreateType=\"" + std::string(type) + "\"\nRW 1 ZERO\n", {});
    const auto reader = vmdk::OpenReader(image[0]);
    ASSERT_FALSE(reader) << type;
    EXPECT_EQ(reader.error().code, ErrorCode::kUnsupported);
  }
}

TEST(VmdkReader, TheRedundantTableIsNotNeeded) {
  auto image = WriteVmdk("", kGrain, {{0, "x"}});
  image[0].Fill(kRedundantTableAt, 2048, 0xFF);
  const auto reader = OpenVmdk(image);
  ASSERT_TRUE(reader);
  EXPECT_EQ(MapOf(**reader), "data 0+65536 @1:65536\n");
}

}  // namespace
}  // namespace instar
