#include "formats/qcow2/structures/header_extensions.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "support/case_name.h"
#include "support/qcow2_image.h"

namespace instar::qcow2 {
namespace {

using test::Qcow2Image;

Result<HeaderExtensions> ReadFrom(const Qcow2Image& image) {
  ReadWindow window(image.file, 4096);
  return HeaderExtensions::ReadFrom(window, image.header);
}

std::string Text(const std::vector<char>& text) { return {text.begin(), text.end()}; }

template <typename Extension>
void Append(Qcow2Image& image, std::uint32_t type, const Extension& extension) {
  std::array<std::byte, Extension::kEncodedBytes> data{};
  if constexpr (std::is_same_v<Extension, BitmapsExtension>) {
    kBitmapsExtensionFields.Encode(extension, data);
  } else {
    kEncryptionExtensionFields.Encode(extension, data);
  }
  AppendExtension(image.extensions, type, data);
}

TEST(Qcow2Extensions, ARecordIsPaddedToEightBytes) {
  std::vector<std::byte> out;
  AppendExtension(out, kExtensionBackingFormat, "qcow2");
  ASSERT_EQ(out.size(), 16U);
  EXPECT_EQ(LoadBe32(out, 0), 0xE2792ACAU);
  EXPECT_EQ(LoadBe32(out, 4), 5U);
  EXPECT_EQ(out[8], std::byte{'q'});
  EXPECT_EQ(out[13], std::byte{0});
}

TEST(Qcow2Extensions, EveryRecordDecodesToWhatWasEncoded) {
  std::array<std::byte, 48> bytes{};
  const BitmapsExtension bitmaps{
      .bitmap_count = 3, .directory_bytes = 96, .directory_offset = 0xB0000};
  kBitmapsExtensionFields.Encode(bitmaps, bytes);
  EXPECT_EQ(BitmapsExtension::DecodeFrom(bytes), bitmaps);
  const EncryptionExtension encryption{.offset = 0x40000, .length_bytes = 0x1F8000};
  kEncryptionExtensionFields.Encode(encryption, bytes);
  EXPECT_EQ(kEncryptionExtensionFields.Decode<EncryptionExtension>(bytes), encryption);
  for (const FeatureName& feature : kFeatureNames) {
    feature.EncodeTo(bytes);
    EXPECT_EQ(FeatureName::DecodeFrom(bytes), feature);
  }
}

TEST(Qcow2Extensions, AFeatureNameMayFillItsFieldWithoutANul) {
  const std::string name(46, 'n');
  std::array<std::byte, FeatureName::kEncodedBytes> bytes{};
  FeatureName{.bit = 63, .name = name}.EncodeTo(bytes);
  const auto feature = FeatureName::DecodeFrom(bytes);
  ASSERT_TRUE(feature);
  EXPECT_EQ(feature->name, name);
  bytes[0] = std::byte{3};
  EXPECT_FALSE(FeatureName::DecodeFrom(bytes));
}

TEST(Qcow2Extensions, NamesAreReadAndUnknownRecordsSkipped) {
  Qcow2Image image;
  AppendExtension(image.extensions, 0x12345678, std::string_view("whatever this is"));
  AppendExtension(image.extensions, kExtensionBackingFormat, "vmdk");
  AppendExtension(image.extensions, kExtensionDataFile, "disk.data");
  image.Store();
  const auto found = ReadFrom(image);
  ASSERT_TRUE(found);
  EXPECT_EQ(Text(found->backing_format), "vmdk");
  ASSERT_TRUE(found->data_file_name);
  EXPECT_EQ(Text(*found->data_file_name), "disk.data");
}

TEST(Qcow2Extensions, NothingAfterTheEndMarkerCounts) {
  Qcow2Image image;
  AppendExtension(image.extensions, kExtensionEnd, "");
  AppendExtension(image.extensions, kExtensionBackingFormat, "vmdk");
  image.Store();
  EXPECT_TRUE(ReadFrom(image)->backing_format.empty());
}

TEST(Qcow2Extensions, TheBackingFileNameEndsThemToo) {
  Qcow2Image image;
  AppendExtension(image.extensions, 0x12345678, std::string_view("12345678"));
  image.header.backing_file_offset = image.header.header_bytes + 16;
  image.header.backing_file_bytes = 8;
  AppendExtension(image.extensions, kExtensionBackingFormat, "vmdk");  // stands in the name
  image.Store();
  EXPECT_TRUE(ReadFrom(image)->backing_format.empty());
}

TEST(Qcow2Extensions, BitmapsCountOnlyWithTheirFeatureBit) {
  Qcow2Image image;
  Append(
      image, kExtensionBitmaps,
      BitmapsExtension{.bitmap_count = 1, .directory_bytes = 32, .directory_offset = image.At(8)});
  image.Store();
  EXPECT_FALSE(ReadFrom(image)->bitmaps);
  image.header.autoclear_features = kAutoclearBitmaps;
  image.Store();
  ASSERT_TRUE(ReadFrom(image)->bitmaps);
  EXPECT_EQ(ReadFrom(image)->bitmaps->directory_bytes, 32U);
}

struct BadBitmaps {
  const char* name;
  BitmapsExtension extension;
  ErrorCode code;
};
class Qcow2BitmapsExtension : public testing::TestWithParam<BadBitmaps> {};
TEST_P(Qcow2BitmapsExtension, IsRefused) {
  Qcow2Image image;
  image.header.autoclear_features = kAutoclearBitmaps;
  Append(image, kExtensionBitmaps, GetParam().extension);
  image.Store();
  const auto found = ReadFrom(image);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, GetParam().code);
}
const BadBitmaps kBadBitmaps[] = {
    {"WithoutBitmaps", {0, 32, 0x10000}, ErrorCode::kCorrupt},
    {"WithTooManyBitmaps", {65536, 32, 0x10000}, ErrorCode::kLimit},
    {"WithAnUnalignedDirectory", {1, 32, 0x10200}, ErrorCode::kCorrupt},
    {"WithAHugeDirectory", {1, 1ULL << 40, 0x10000}, ErrorCode::kLimit},
};
INSTANTIATE_TEST_SUITE_P(All, Qcow2BitmapsExtension, testing::ValuesIn(kBadBitmaps),
                         test::CaseName{});

struct BadRecord {
  const char* name;
  std::uint32_t type;
  std::size_t data_bytes;
};
class Qcow2ExtensionRecord : public testing::TestWithParam<BadRecord> {};
TEST_P(Qcow2ExtensionRecord, OfTheWrongLengthIsRefused) {
  Qcow2Image image;
  image.header.crypt_method = kCryptLuks;
  image.header.autoclear_features = kAutoclearBitmaps;
  AppendExtension(image.extensions, GetParam().type,
                  std::vector<std::byte>(GetParam().data_bytes, std::byte{'a'}));
  image.Store();
  const auto found = ReadFrom(image);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kCorrupt);
}
const BadRecord kBadRecords[] = {
    {"BackingFormat", kExtensionBackingFormat, 16},
    {"DataFile", kExtensionDataFile, 4096},
    {"Bitmaps", kExtensionBitmaps, 23},
    {"Encryption", kExtensionEncryption, 24},
};
INSTANTIATE_TEST_SUITE_P(All, Qcow2ExtensionRecord, testing::ValuesIn(kBadRecords),
                         test::CaseName{});

TEST(Qcow2Extensions, ARecordBeyondTheFirstClusterIsRefused) {
  Qcow2Image image(9);
  image.Store();
  image.file.PutBe32(112, 0x12345678);
  image.file.PutBe32(116, 512 - 120);
  EXPECT_TRUE(ReadFrom(image));
  image.file.PutBe32(116, 512 - 120 + 1);
  EXPECT_EQ(ReadFrom(image).error().code, ErrorCode::kCorrupt);
  image.file.PutBe32(116, 0xFFFFFFFF);
  EXPECT_EQ(ReadFrom(image).error().code, ErrorCode::kCorrupt);
}

TEST(Qcow2Extensions, AnEncryptionHeaderNeedsLuksAndAlignment) {
  Qcow2Image image;
  Append(image, kExtensionEncryption, EncryptionExtension{.offset = 0x40200});
  image.Store();
  EXPECT_EQ(ReadFrom(image).error().code, ErrorCode::kCorrupt);  // not LUKS
  image.header.crypt_method = kCryptLuks;
  EXPECT_EQ(ReadFrom(image).error().code, ErrorCode::kCorrupt);  // not aligned
  image.extensions.clear();
  Append(image, kExtensionEncryption, EncryptionExtension{.offset = 0x40000});
  image.Store();
  ASSERT_TRUE(ReadFrom(image));
  EXPECT_EQ(ReadFrom(image)->encryption->offset, 0x40000U);
}

TEST(Qcow2Extensions, ManyTinyRecordsAreReadInFewPieces) {
  Qcow2Image image(21);
  for (int i = 0; i < 100000; ++i) AppendExtension(image.extensions, 0x12345678, "");
  image.Store();
  image.file.reads = 0;
  EXPECT_TRUE(ReadFrom(image));
  EXPECT_LE(image.file.reads, 200U);
}

}  // namespace
}  // namespace instar::qcow2
