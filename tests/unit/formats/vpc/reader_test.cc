#include <gtest/gtest.h>

#include <string>

#include "formats/open.h"
#include "formats/vpc/format.h"
#include "support/map_text.h"
#include "support/text_sink.h"
#include "support/vhd_image.h"

namespace instar::test {
namespace {

using vpc::DiskType;

std::unique_ptr<ImageReader> Opened(const MemoryDevice& device) {
  auto reader = OpenImage(device, FormatId::kVpc);
  EXPECT_TRUE(reader) << (reader ? "" : reader.error().message);
  return reader ? *std::move(reader) : nullptr;
}

TEST(VpcReader, DynamicBlocksStandBehindTheirBitmaps) {
  VhdImage image(80);
  image.Block(1, 0xAA).Block(0, 0xBB);
  const auto reader = Opened(image.Finish());
  EXPECT_EQ(reader->virtual_size_bytes(), 40960U);
  EXPECT_EQ(reader->cluster_size_bytes(), 4096U);
  EXPECT_TRUE(reader->references().empty());
  EXPECT_EQ(MapText(*reader), "D4096@13312 D4096@8704 Z32768");
}

TEST(VpcReader, TheBitmapOfADynamicDiskMeansNothing) {
  VhdImage image(8);
  image.Block(0, 0xAA, {0x00});
  EXPECT_EQ(MapText(*Opened(image.Finish())), "D4096@8704");
}

TEST(VpcReader, TheLastBlockEndsWithTheDisk) {
  VhdImage image(9);
  image.Block(1, 0xAA);
  EXPECT_EQ(MapText(*Opened(image.Finish())), "Z4096 D512@8704");
}

TEST(VpcReader, BitmapBitsOfADifferencingDiskCountFromTheMostSignificant) {
  VhdImage image(16, 4096, DiskType::kDifferencing);
  image.Parent(0, "W2ru", u".\\base.vhd").Block(0, 0xAA, {0b1011'0001});
  const auto reader = Opened(image.Finish());
  EXPECT_EQ(MapText(*reader), "D512@8704 U512 D1024@9728 U1536 D512@12288 U4096");
}

TEST(VpcReader, AnExtentStartsWhereItWasAskedFor) {
  VhdImage image(16, 4096, DiskType::kDifferencing);
  image.Parent(0, "W2ru", u"base.vhd").Block(0, 0xAA, {0b0011'0000});
  const auto reader = Opened(image.Finish());
  const auto cursor = reader->OpenCursor().value();
  const auto extent = cursor->Next(1100, 300);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->kind, ExtentKind::kData);
  EXPECT_EQ(extent->file_offset, 8704U + 1100);
  EXPECT_EQ(extent->length_bytes, 300U);
}

TEST(VpcReader, TheParentIsNamedByTheRelativeLocatorFirst) {
  struct Case {
    std::vector<std::pair<std::string, std::u16string>> locators;
    std::u16string header_name;
    std::string name;
  };
  for (const Case& c :
       {Case{{{"W2ku", u"C:\\vm\\a.vhd"}, {"W2ru", u".\\sub\\b.vhd"}}, u"c.vhd", "sub/b.vhd"},
        Case{{{"W2ku", u"C:\\vm\\a.vhd"}}, u"c.vhd", "a.vhd"},
        Case{{{"MacX", u"zzz"}}, u"c\u00e9.vhd", "c\xC3\xA9.vhd"},
        Case{{{"W2ku", u"/data/a.vhd"}}, u"", "/data/a.vhd"}}) {
    VhdImage image(16, 4096, DiskType::kDifferencing);
    for (std::size_t i = 0; i < c.locators.size(); ++i) {
      image.Parent(i, c.locators[i].first, c.locators[i].second);
    }
    for (std::size_t i = 0; i < c.header_name.size(); ++i) {
      StoreBe16(image.header.parent_name, 2 * i, static_cast<std::uint16_t>(c.header_name[i]));
    }
    const auto reader = Opened(image.Finish());
    ASSERT_EQ(reader->references().size(), 1U);
    EXPECT_EQ(reader->references()[0].name, c.name);
    EXPECT_EQ(reader->references()[0].role, ReferenceRole::kBacking);
    EXPECT_EQ(reader->references()[0].format_name, "vpc");
  }
}

TEST(VpcReader, TheParentMustHaveTheIdentifierThatTheChildNames) {
  VhdImage base(16);
  base.footer.unique_id[3] = std::byte{7};
  const auto parent = Opened(base.Finish());
  for (const bool good : {true, false}) {
    VhdImage image(16, 4096, DiskType::kDifferencing);
    image.Parent(0, "W2ru", u"base.vhd");
    image.header.parent_id[3] = std::byte{good ? std::uint8_t{7} : std::uint8_t{8}};
    const auto child = Opened(image.Finish());
    const Status fits = child->CheckBacking(*parent);
    EXPECT_EQ(fits.has_value(), good);
    if (!good && !fits) {
      EXPECT_EQ(fits.error().code, ErrorCode::kCorrupt);
    }
  }
}

TEST(VpcReader, ADifferencingDiskWithoutAUsableNameIsRefused) {
  VhdImage nameless(16, 4096, DiskType::kDifferencing);
  EXPECT_FALSE(vpc::OpenReader(nameless.Finish()));
  VhdImage beyond(16, 4096, DiskType::kDifferencing);
  beyond.Parent(0, "W2ru", u"base.vhd");
  beyond.header.parent_locators[0].name_offset = std::uint64_t{1} << 40;
  EXPECT_FALSE(vpc::OpenReader(beyond.Finish()));
  VhdImage huge(16, 4096, DiskType::kDifferencing);
  huge.Parent(0, "W2ru", u"base.vhd");
  huge.header.parent_locators[0].name_bytes = 0xFFFFFFFF;
  const auto refused = vpc::OpenReader(huge.Finish());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
}

TEST(VpcReader, FixedDisksAreReadToTheirFooter) {
  MemoryDevice device(8192);
  device.Fill(0, 8192, 0x11);
  vpc::Footer footer{.creator = {'w', 'i', 'n', ' '}, .current_bytes = 8192};
  for (const std::size_t bytes : {512U, 511U}) {
    MemoryDevice file = device;
    std::vector<std::byte> encoded(512);
    footer.EncodeTo(encoded);
    file.bytes.insert(file.bytes.end(), encoded.begin(),
                      encoded.begin() + static_cast<std::ptrdiff_t>(bytes));
    EXPECT_EQ(ProbeFormat(file).value(), FormatId::kVpc);
    const auto reader = Opened(file);
    EXPECT_EQ(MapText(*reader), "D8192@0");
    EXPECT_EQ(reader->cluster_size_bytes(), 0U);
    TextSink sink;
    ASSERT_TRUE(reader->Describe(sink));
    EXPECT_EQ(sink.text, "dirty-flag: false");
  }
}

TEST(VpcReader, AFixedDiskLongerThanItsFileIsRefused) {
  MemoryDevice device(4096);
  vpc::Footer footer{.creator = {'w', 'i', 'n', ' '}, .current_bytes = 8192};
  device.bytes.resize(4608);
  footer.EncodeTo(std::span(device.bytes).subspan(4096));
  EXPECT_FALSE(vpc::OpenReader(device));
}

TEST(VpcReader, AFixedDiskIsNotTakenInByAForgedHeaderInItsFirstSector) {
  VhdImage forged(80);
  forged.Block(0, 0xAA);
  MemoryDevice device = forged.Finish();
  const std::uint64_t disk = device.bytes.size();
  vpc::Footer footer{.creator = {'w', 'i', 'n', ' '}, .current_bytes = disk};
  device.bytes.resize(disk + 512);
  footer.EncodeTo(std::span(device.bytes).subspan(disk));
  const auto reader = Opened(device);
  EXPECT_EQ(reader->virtual_size_bytes(), disk);
  EXPECT_EQ(reader->cluster_size_bytes(), 0U);
}

TEST(VpcReader, TheCopyAtTheStartCountsWhereTheFooterIsLost) {
  VhdImage image(80);
  image.Block(1, 0xAA);
  MemoryDevice& device = image.Finish();
  device.bytes.resize(device.bytes.size() - 512);
  EXPECT_EQ(MapText(*Opened(device)), "Z4096 D4096@8704 Z32768");
  device.bytes[5] ^= std::byte{1};
  EXPECT_FALSE(vpc::OpenReader(device));
}

TEST(VpcReader, ABlockOutsideOfTheDataIsCorrupt) {
  // On the footer's copy, the header, the table; across the end of the data; far beyond.
  for (const std::uint32_t entry : {0U, 1U, 2U, 3U, 4U, 17U, 0x7FFFFFFFU, 0xFFFFFFFEU}) {
    VhdImage image(80);
    image.Block(0, 0xAA);
    image.table[3] = entry;
    const auto reader = Opened(image.Finish());
    const auto cursor = reader->OpenCursor().value();
    EXPECT_TRUE(cursor->Next(0, 4096));
    const auto bad = cursor->Next(3 * 4096, 4096);
    ASSERT_FALSE(bad) << entry;
    EXPECT_EQ(bad.error().code, ErrorCode::kCorrupt);
  }
}

TEST(VpcReader, MoreThan2040GibIsOverTheLimit) {
  VhdImage image(80);
  image.footer.current_bytes = (vpc::kMaxSectors + 1) * 512;
  const auto reader = vpc::OpenReader(image.Finish());
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, ErrorCode::kLimit);
}

TEST(VpcReader, ATableTooShortForTheDiskIsCorrupt) {
  VhdImage image(80);
  image.footer.current_bytes = 0xFF000000ull * 512;
  EXPECT_FALSE(vpc::OpenReader(image.Finish()));
}

TEST(VpcReader, FilesTooSmallForAFooterAreRefused) {
  for (const std::uint64_t bytes : {0U, 1U, 510U, 511U, 512U}) {
    MemoryDevice device(bytes);
    EXPECT_FALSE(vpc::OpenReader(device)) << bytes;
  }
}

}  // namespace
}  // namespace instar::test
