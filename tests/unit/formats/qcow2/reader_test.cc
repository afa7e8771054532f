#include "formats/qcow2/read/reader.h"

#include <gtest/gtest.h>

#include "formats/open.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/structures/snapshot_table.h"
#include "support/qcow2_image.h"

namespace instar::qcow2 {
namespace {

using test::MemoryDevice;
using test::Qcow2Image;

std::unique_ptr<ImageReader> Open(const Qcow2Image& image) {
  auto reader = OpenReader(image.file);
  EXPECT_TRUE(reader) << reader.error().message;
  return reader ? *std::move(reader) : nullptr;
}

// Puts a table of snapshots that differ in their L1 table's offset at cluster 8.
struct SnapshotSpec {
  std::string_view id, name;
  std::uint64_t l1_table_offset;
};
void SetSnapshots(Qcow2Image& image, std::initializer_list<SnapshotSpec> snapshots) {
  image.header.snapshots_offset = image.At(8);
  image.header.snapshot_count = static_cast<std::uint32_t>(snapshots.size());
  std::uint64_t at = image.At(8);
  for (const SnapshotSpec& spec : snapshots) {
    const SnapshotEntry entry{.l1_table_offset = spec.l1_table_offset,
                              .l1_entries = 1,
                              .id_bytes = static_cast<std::uint16_t>(spec.id.size()),
                              .name_bytes = static_cast<std::uint16_t>(spec.name.size()),
                              .extra_bytes = 16,
                              .disk_size_bytes = 4096};
    entry.EncodeTo(std::span(image.file.bytes).subspan(at));
    image.file.PutText(at + 56, spec.id);
    image.file.PutText(at + 56 + spec.id.size(), spec.name);
    at += entry.encoded_bytes();
  }
}

TEST(Qcow2Reader, ReportsItsGeometry) {
  Qcow2Image image(12, 3 << 20);
  image.Store();
  const auto reader = Open(image);
  EXPECT_EQ(reader->format(), FormatId::kQcow2);
  EXPECT_EQ(reader->virtual_size_bytes(), 3U << 20);
  EXPECT_EQ(reader->cluster_size_bytes(), 4096U);
  EXPECT_TRUE(reader->references().empty());
}

TEST(Qcow2Reader, WhatIsNoWholeSectorOfTheDiskDoesNotCount) {
  Qcow2Image image(16, (1 << 20) + 511);
  image.Store();
  EXPECT_EQ(Open(image)->virtual_size_bytes(), 1U << 20);
}

TEST(Qcow2Reader, ADiskOfNoBytesOpens) {
  Qcow2Image image(16, 0);
  image.header.l1_entries = 0;
  image.Store();
  EXPECT_EQ(Open(image)->virtual_size_bytes(), 0U);
}

TEST(Qcow2Reader, OpensWithASingleRead) {
  Qcow2Image image;
  AppendExtension(image.extensions, kExtensionBackingFormat, "raw");
  image.header.backing_file_offset = 512;
  image.header.backing_file_bytes = 4;
  image.Store();
  image.file.PutText(512, "base");
  image.file.reads = 0;
  EXPECT_NE(Open(image), nullptr);
  EXPECT_EQ(image.file.reads, 1U);
}

TEST(Qcow2Reader, NamesTheBackingFileAndItsFormat) {
  Qcow2Image image;
  AppendExtension(image.extensions, kExtensionBackingFormat, "raw");
  image.header.backing_file_offset = 65536 - 6;
  image.header.backing_file_bytes = 6;
  image.Store();
  image.file.PutText(65536 - 6, "../x\xFF!");
  const auto reader = Open(image);
  ASSERT_EQ(reader->references().size(), 1U);
  EXPECT_EQ(reader->references()[0].role, ReferenceRole::kBacking);
  EXPECT_EQ(reader->references()[0].name, "../x\xFF!");
  EXPECT_EQ(reader->references()[0].format_name, "raw");
  EXPECT_EQ(reader->Attach(0, image.file).error().code, ErrorCode::kInvalidArgument);
}

TEST(Qcow2Reader, NamesEndAtTheirFirstNul) {
  Qcow2Image image;
  image.header.backing_file_offset = 512;
  image.header.backing_file_bytes = 8;
  image.Store();
  image.file.PutText(512, std::string_view("base\0etc", 8));
  EXPECT_EQ(Open(image)->references()[0].name, "base");
}

TEST(Qcow2Reader, DataIsReadFromTheAttachedDataFile) {
  Qcow2Image image;
  image.UseDataFile("disk.data");
  image.SetEntry(0, kCopied);
  image.Store();
  const auto reader = Open(image);
  ASSERT_EQ(reader->references().size(), 1U);
  EXPECT_EQ(reader->references()[0].role, ReferenceRole::kDataFile);
  EXPECT_EQ(reader->references()[0].name, "disk.data");
  EXPECT_EQ(reader->references()[0].format_name, "raw");
  EXPECT_EQ(reader->OpenCursor().error().code, ErrorCode::kInvalidArgument);

  const MemoryDevice data(1 << 20, DeviceId{9});
  ASSERT_TRUE(reader->Attach(0, data));
  const auto cursor = reader->OpenCursor();
  ASSERT_TRUE(cursor);
  EXPECT_EQ((*cursor)->Next(0, 1)->device, DeviceId{9});
}

TEST(Qcow2Reader, AnImageThatDoesNotNameItsDataFileCannotBeRead) {
  Qcow2Image image;
  image.header.incompatible_features = kIncompatDataFile;
  image.Store();
  EXPECT_EQ(Open(image)->OpenCursor().error().code, ErrorCode::kCorrupt);
}

TEST(Qcow2Reader, ADataFileNameWithoutTheFeatureIsNoReference) {
  Qcow2Image image;
  AppendExtension(image.extensions, kExtensionDataFile, "/etc/passwd");
  image.Store();
  EXPECT_TRUE(Open(image)->references().empty());
}

TEST(Qcow2Reader, EncryptedImagesOpenButCannotBeRead) {
  Qcow2Image image;
  image.header.crypt_method = kCryptAes;
  image.Store();
  const auto reader = Open(image);
  const auto cursor = reader->OpenCursor();
  ASSERT_FALSE(cursor);
  EXPECT_EQ(cursor.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(cursor.error().device, image.file.id());
}

// What an error quotes from the image.
std::string Quoted(const Error& error) {
  std::string text;
  for (std::size_t i = 0; i < 24; ++i) {
    const char c = static_cast<char>(error.numbers[i / 8] >> (8 * (i % 8)) & 0xFF);
    if (c != 0) text += c;
  }
  return text;
}

TEST(Qcow2Reader, AnUnknownFeatureIsCalledWhatTheImageCallsIt) {
  Qcow2Image image;
  image.header.incompatible_features = std::uint64_t{1} << 40;
  std::vector<std::byte> names(2 * FeatureName::kEncodedBytes);
  FeatureName{.kind = FeatureName::Kind::kCompatible, .bit = 40, .name = "another"}.EncodeTo(names);
  FeatureName{.bit = 40, .name = "time travel\x1B"}.EncodeTo(
      std::span(names).subspan(FeatureName::kEncodedBytes));
  AppendExtension(image.extensions, kExtensionFeatureNames, names);
  image.Store();
  const auto reader = OpenReader(image.file);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(std::string(reader.error().message).find("'{t}'"), std::string::npos);
  EXPECT_EQ(Quoted(reader.error()), "time travel\x1B");
}

TEST(Qcow2Reader, AnUnknownFeatureWithoutANameIsToldByItsNumber) {
  Qcow2Image image;
  image.header.incompatible_features = std::uint64_t{1} << 40;
  image.Store();
  const auto reader = OpenReader(image.file);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(reader.error().numbers[0], 40U);
}

TEST(Qcow2Reader, ErrorsNameTheDevice) {
  Qcow2Image image;
  image.header.refcount_order = 7;
  image.Store();
  const auto reader = OpenReader(image.file);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().device, image.file.id());
}

TEST(Qcow2Reader, AFileThatEndsWithinTheHeaderIsRefused) {
  Qcow2Image image;
  image.Store();
  image.file.bytes.resize(50);
  EXPECT_EQ(OpenReader(image.file).error().code, ErrorCode::kCorrupt);
}

TEST(Qcow2Snapshot, IdsAreLookedForBeforeNames) {
  Qcow2Image image;
  // Two L1 tables: the active one at cluster 2, the snapshots' at clusters 9, 10, 11.
  SetSnapshots(image,
               {{"1", "2", image.At(9)}, {"2", "x", image.At(10)}, {"3", "x", image.At(11)}});
  image.Store();
  const auto first_byte_at = [&](std::string_view snapshot) {
    const auto reader = Open(image);
    EXPECT_TRUE(reader->SelectSnapshot(snapshot));
    const auto cursor = reader->OpenCursor();
    return (*cursor)->Next(0, 1)->file_offset;
  };
  // Each L1 table has its own L2 table with its own first cluster.
  image.file.bytes.resize(image.At(32));
  for (std::uint64_t i = 0; i < 3; ++i) {
    image.file.PutBe64(image.At(9 + i), image.At(12 + i));
    image.file.PutBe64(image.At(12 + i), image.At(20 + i));
  }
  EXPECT_EQ(first_byte_at("1"), image.At(20));
  EXPECT_EQ(first_byte_at("2"), image.At(21));
  EXPECT_EQ(first_byte_at("x"), image.At(21));  // the first of that name
}

TEST(Qcow2Snapshot, EveryLabelThatIsStatedMustBeTheSnapshots) {
  Qcow2Image image;
  SetSnapshots(image,
               {{"1", "2", image.At(9)}, {"2", "x", image.At(10)}, {"3", "x", image.At(11)}});
  image.Store();
  const auto found = [&](const SnapshotChoice& choice) {
    return Open(image)->SelectSnapshotBy(choice).has_value();
  };
  EXPECT_TRUE(found({.id = "1"}));
  EXPECT_FALSE(found({.id = "x"}));
  EXPECT_TRUE(found({.name = "x"}));
  EXPECT_FALSE(found({.name = "1"}));
  EXPECT_TRUE(found({.id = "3", .name = "x"}));
  EXPECT_FALSE(found({.id = "1", .name = "x"}));
  EXPECT_FALSE(found({.id = "2", .name = "2"}));
}

TEST(Qcow2Snapshot, TheDiskKeepsTheSizeItHasToday) {
  Qcow2Image image;
  SetSnapshots(image, {{"1", "one", image.At(9)}});
  image.Store();
  const auto reader = Open(image);
  ASSERT_TRUE(reader->SelectSnapshot("one"));
  EXPECT_EQ(reader->virtual_size_bytes(), 1U << 20);
}

TEST(Qcow2Snapshot, OneThatDoesNotExistIsNotFound) {
  Qcow2Image image;
  SetSnapshots(image, {{"1", "one", image.At(9)}});
  image.Store();
  for (const char* wanted : {"", "2", "on", "ones"}) {
    EXPECT_EQ(Open(image)->SelectSnapshot(wanted).error().code, ErrorCode::kNotFound) << wanted;
  }
}

TEST(Qcow2Snapshot, AnImageWithADataFileHasNone) {
  Qcow2Image image;
  image.UseDataFile("d");
  SetSnapshots(image, {{"1", "one", image.At(9)}});
  image.Store();
  EXPECT_EQ(Open(image)->SelectSnapshot("1").error().code, ErrorCode::kUnsupported);
}

TEST(Qcow2Snapshot, AMisplacedOrHugeL1TableIsRefused) {
  Qcow2Image image;
  SetSnapshots(image, {{"1", "one", image.At(9) + 512}});
  image.Store();
  EXPECT_EQ(Open(image)->SelectSnapshot("1").error().code, ErrorCode::kCorrupt);
  image.file.PutBe64(image.At(8), image.At(9));
  image.file.PutBe32(image.At(8) + 8, (32 << 20) / 8 + 1);
  EXPECT_EQ(Open(image)->SelectSnapshot("1").error().code, ErrorCode::kLimit);
}

TEST(Qcow2Reader, DecompressRefusesBuffersOfTheWrongSize) {
  Qcow2Image image;
  image.SetEntry(0, CompressedCluster{.offset = image.At(9)}.Encode(16));
  image.Store();
  const auto reader = Open(image);
  const auto cursor = reader->OpenCursor();
  const auto extent = (*cursor)->Next(0, 1);
  ASSERT_EQ(extent->kind, ExtentKind::kCompressed);
  std::vector<std::byte> compressed(512), out(65536);
  EXPECT_EQ(reader->Decompress(*extent, std::span(compressed).first(511), out).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(reader->Decompress(*extent, compressed, std::span(out).first(1)).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(reader->Decompress(*extent, compressed, out).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace instar::qcow2
