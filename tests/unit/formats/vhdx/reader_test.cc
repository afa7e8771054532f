#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "formats/open.h"
#include "formats/vhdx/format.h"
#include "support/map_text.h"
#include "support/text_sink.h"
#include "support/vhdx_image.h"

namespace instar::test {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

std::unique_ptr<ImageReader> Opened(const MemoryDevice& device) {
  auto reader = OpenImage(device, FormatId::kVhdx);
  EXPECT_TRUE(reader) << (reader ? "" : reader.error().message);
  return reader ? *std::move(reader) : nullptr;
}

ErrorCode CodeOf(const MemoryDevice& device) {
  const auto reader = vhdx::OpenReader(device);
  EXPECT_FALSE(reader);
  return reader ? ErrorCode::kInvalidArgument : reader.error().code;
}

// Changes an encoded region table in both copies, with the right checksum.
void ChangeRegions(MemoryDevice& device, std::size_t at, std::uint64_t value, bool wide = false) {
  for (const std::uint64_t table : {vhdx::kRegionTable1Offset, vhdx::kRegionTable2Offset}) {
    const auto bytes = std::span(device.bytes).subspan(table, vhdx::kTableBytes);
    if (wide) {
      StoreLe64(bytes, at, value);
    } else {
      StoreLe32(bytes, at, static_cast<std::uint32_t>(value));
    }
    StoreLe32(bytes, 4, Crc32cWithout(bytes, 4));
  }
}

TEST(VhdxReader, BlocksStandWhereTheTableSays) {
  VhdxImage image;
  image.Block(2, 0xAA).Block(0, 0xBB);
  const auto reader = Opened(image.Finish());
  EXPECT_EQ(reader->virtual_size_bytes(), 4 * kMiB);
  EXPECT_EQ(reader->cluster_size_bytes(), kMiB);
  EXPECT_TRUE(reader->references().empty());
  EXPECT_EQ(MapText(*reader), "D1048576@5242880 Z1048576 D1048576@4194304 Z1048576");
  TextSink sink;
  ASSERT_TRUE(reader->Describe(sink));
  EXPECT_EQ(sink.text, "dirty-flag: false");
}

TEST(VhdxReader, NeighbouringBlocksAreOneExtent) {
  VhdxImage image;
  image.Block(0, 0xAA).Block(1, 0xBB).Block(2, 0xCC);
  EXPECT_EQ(MapText(*Opened(image.Finish())), "D3145728@4194304 Z1048576");
}

TEST(VhdxReader, WithoutAParentAllOtherStatesReadAsZeros) {
  VhdxImage image;
  for (unsigned state = 0; state < 4; ++state) image.Entry(state, state);
  EXPECT_EQ(MapText(*Opened(image.Finish())), "Z4194304");
}

TEST(VhdxReader, TheTableHasASectorBitmapEntryBehindEachChunk) {
  // Blocks of 256 MiB in sectors of 512 bytes: sixteen a chunk.
  VhdxImage image(20 * 256 * kMiB, 256 << 20);
  EXPECT_EQ(image.bat().chunk_ratio(), 16U);
  EXPECT_EQ(image.bat().entries(), 21U);
  EXPECT_EQ(image.bat().PayloadEntry(16), 17U);
  image.Entry(16, 0xF8);  // reserved bits of an entry that means nothing here
  EXPECT_EQ(MapText(*Opened(image.Finish())), "Z5368709120");
  EXPECT_EQ((vhdx::BatLayout{.virtual_bytes = 20 * 256 * kMiB,
                             .block_bytes = 256 * kMiB,
                             .logical_sector_bytes = 4096,
                             .has_parent = true}
                 .entries()),
            129U);
}

TEST(VhdxReader, TheHeaderWithTheHigherSequenceNumberWins) {
  VhdxImage image;
  MemoryDevice& device = image.Finish();
  // The second one, made the newer, puts the log on the table: its place is what is believed.
  vhdx::Header newer = image.header;
  newer.sequence_number = 6;
  newer.log_offset = VhdxImage::kBatAt;
  newer.EncodeTo(std::span(device.bytes).subspan(vhdx::kHeader2Offset, 4096));
  EXPECT_EQ(CodeOf(device), ErrorCode::kCorrupt);
  newer.sequence_number = 4;
  newer.EncodeTo(std::span(device.bytes).subspan(vhdx::kHeader2Offset, 4096));
  EXPECT_TRUE(Opened(device));
}

TEST(VhdxReader, OneBrokenHeaderDoesNoHarmAndTwoDo) {
  VhdxImage image;
  MemoryDevice& device = image.Finish();
  device.bytes[vhdx::kHeader1Offset + 100] ^= std::byte{1};
  EXPECT_TRUE(Opened(device));
  device.bytes[vhdx::kHeader2Offset + 100] ^= std::byte{1};
  EXPECT_EQ(CodeOf(device), ErrorCode::kCorrupt);
}

TEST(VhdxReader, TwoHeadersOfOneNumberMustBeEqual) {
  VhdxImage image;
  MemoryDevice& device = image.Finish();
  vhdx::Header other = image.header;
  other.EncodeTo(std::span(device.bytes).subspan(vhdx::kHeader2Offset, 4096));
  EXPECT_TRUE(Opened(device));
  other.data_write_id[0] ^= std::byte{1};
  other.EncodeTo(std::span(device.bytes).subspan(vhdx::kHeader2Offset, 4096));
  EXPECT_EQ(CodeOf(device), ErrorCode::kCorrupt);
}

TEST(VhdxReader, OneBrokenRegionTableDoesNoHarmAndTwoDo) {
  VhdxImage image;
  MemoryDevice& device = image.Finish();
  device.bytes[vhdx::kRegionTable1Offset + 5000] ^= std::byte{1};
  EXPECT_TRUE(Opened(device));
  device.bytes[vhdx::kRegionTable2Offset + 5000] ^= std::byte{1};
  EXPECT_EQ(CodeOf(device), ErrorCode::kCorrupt);
}

TEST(VhdxReader, OtherVersionsAreRefused) {
  VhdxImage image;
  image.header.version = 2;
  EXPECT_EQ(CodeOf(image.Finish()), ErrorCode::kUnsupported);
}

TEST(VhdxReader, RegionsThatLieAreRefused) {
  struct Case {
    std::size_t at;
    std::uint64_t value;
    bool wide;
    ErrorCode code = ErrorCode::kCorrupt;
  };
  constexpr std::size_t kFirst = 16;
  constexpr std::size_t kSecond = 48;
  for (const Case& c : {
           Case{8, 2048, false},
           Case{8, 0xFFFFFFFF, false},
           Case{8, 1, false},
           Case{8, 0, false},
           Case{kFirst + 16, 0, true},
           Case{kFirst + 16, VhdxImage::kBatAt + 512, true},
           Case{kFirst + 16, std::uint64_t{1} << 63, true},
           Case{kFirst + 16, VhdxImage::kMetadataAt, true},  // on the metadata
           Case{kFirst + 16, VhdxImage::kLogAt, true},       // on the log
           Case{kFirst + 24, 0, false},
           Case{kFirst + 24, 0xFFF00000, false},
           Case{kFirst + 24, 4096, false},
           Case{kFirst, 1, false, ErrorCode::kUnsupported},  // unknown, and required
           Case{kSecond, 0x2DC27766, false, ErrorCode::kUnsupported},
       }) {
    VhdxImage image;
    MemoryDevice& device = image.Finish();
    ChangeRegions(device, c.at, c.value, c.wide);
    EXPECT_EQ(CodeOf(device), c.code) << c.at << " " << c.value;
  }
}

TEST(VhdxReader, AnUnknownRegionThatIsNotRequiredIsPassedOver) {
  VhdxImage image;
  image.Append(0);
  MemoryDevice& device = image.Finish();
  ChangeRegions(device, 8, 3);
  ChangeRegions(device, 80, 1);
  ChangeRegions(device, 96, VhdxImage::kBlocksAt, true);
  ChangeRegions(device, 104, kMiB);
  EXPECT_TRUE(Opened(device));
}

TEST(VhdxReader, MetadataItemsAreFoundThroughTheTable) {
  VhdxImage image(3 * kMiB);
  MemoryDevice& device = image.Finish();
  // The disk size moves elsewhere, and its entry to the end of the table.
  const auto table = std::span(device.bytes).subspan(VhdxImage::kMetadataAt);
  const std::vector<std::byte> size(table.begin() + 64, table.begin() + 96);
  const std::vector<std::byte> last(table.begin() + 160, table.begin() + 192);
  std::ranges::copy(last, table.begin() + 64);
  std::ranges::copy(size, table.begin() + 160);
  StoreLe32(table, 160 + 16, 0x30000);
  StoreLe64(table, 0x30000, 2 * kMiB);
  EXPECT_EQ(Opened(device)->virtual_size_bytes(), 2 * kMiB);
}

TEST(VhdxReader, MetadataThatLiesIsRefused) {
  constexpr std::size_t kItems = 0x10000;
  struct Case {
    std::size_t at;
    std::uint32_t value;
    ErrorCode code = ErrorCode::kCorrupt;
  };
  for (const Case& c : {
           Case{0, 0},
           Case{8, 4u << 16},
           Case{8, 2048u << 16},
           Case{8, 0xFFFFu << 16},
           Case{32 + 16, 0xFFFFFFFF},
           Case{32 + 16, 4096},
           Case{32 + 20, 0},
           Case{32 + 20, 7},
           Case{32 + 20, 0xFFFFFFFF},
           Case{32, 1, ErrorCode::kUnsupported},  // unknown, required
           Case{kItems, 0},
           Case{kItems, 1},
           Case{kItems, 3 << 20},
           Case{kItems, 512 << 20},
           Case{kItems, 512 << 10},
           Case{kItems + 4, 2},  // a parent, but no locator
           Case{kItems + 8, 1},
           Case{kItems + 12, 0x10000, ErrorCode::kLimit},
           Case{kItems + 32, 0},
           Case{kItems + 32, 1024},
           Case{kItems + 36, 0},
       }) {
    VhdxImage image;
    MemoryDevice& device = image.Finish();
    StoreLe32(device.bytes, VhdxImage::kMetadataAt + c.at, c.value);
    EXPECT_EQ(CodeOf(device), c.code) << c.at << " " << c.value;
  }
}

TEST(VhdxReader, AUserItemOfAKnownIdentifierIsNotTheKnownItem) {
  VhdxImage image;
  MemoryDevice& device = image.Finish();
  StoreLe32(device.bytes, VhdxImage::kMetadataAt + 32 + 24, 1);  // file parameters, of a user
  EXPECT_EQ(CodeOf(device), ErrorCode::kCorrupt);
}

TEST(VhdxReader, ATableTooSmallForTheDiskIsRefused) {
  VhdxImage image(std::uint64_t{64} << 40);
  EXPECT_EQ(CodeOf(image.Finish()), ErrorCode::kCorrupt);
}

TEST(VhdxReader, ABlockOutsideOfTheDataIsCorrupt) {
  for (const std::uint64_t offset :
       {std::uint64_t{0}, VhdxImage::kLogAt, VhdxImage::kBatAt, VhdxImage::kMetadataAt, 5 * kMiB,
        std::uint64_t{1} << 63, ~std::uint64_t{0} << 20}) {
    VhdxImage image;
    image.Block(0, 0xAA).Entry(1, 6, offset);
    const auto reader = Opened(image.Finish());
    const auto cursor = reader->OpenCursor().value();
    EXPECT_TRUE(cursor->Next(0, 2 * kMiB));
    const auto bad = cursor->Next(kMiB, kMiB);
    ASSERT_FALSE(bad) << offset;
    EXPECT_EQ(bad.error().code, ErrorCode::kCorrupt);
  }
}

TEST(VhdxReader, UndefinedStatesAreCorruptAndPartialOnesNeedAParent) {
  for (const unsigned state : {4U, 5U, 7U}) {
    VhdxImage image;
    image.Block(0, 0xAA, state);
    const auto extent = Opened(image.Finish())->OpenCursor().value()->Next(0, kMiB);
    ASSERT_FALSE(extent) << state;
    EXPECT_EQ(extent.error().code, ErrorCode::kCorrupt);
  }
}

TEST(VhdxReader, TheParentIsNamedByTheRelativePathFirst) {
  struct Case {
    std::vector<std::pair<std::u16string, std::u16string>> entries;
    std::string name;
  };
  for (const Case& c : {
           Case{{{u"parent_linkage", u"{x}"},
                 {u"absolute_win32_path", u"C:\\vm\\a.vhdx"},
                 {u"relative_path", u".\\sub\\b.vhdx"}},
                "sub/b.vhdx"},
           Case{{{u"volume_path", u"\\\\?\\Volume{1}\\c.vhdx"},
                 {u"absolute_win32_path", u"C:\\vm\\a.vhdx"}},
                "a.vhdx"},
           Case{{{u"volume_path", u"\\\\?\\Volume{1}\\c.vhdx"}}, "c.vhdx"},
       }) {
    VhdxImage image;
    image.Parent(c.entries);
    const auto reader = Opened(image.Finish());
    ASSERT_EQ(reader->references().size(), 1U);
    EXPECT_EQ(reader->references()[0].name, c.name);
    EXPECT_EQ(reader->references()[0].format_name, "vhdx");
    EXPECT_EQ(MapText(*reader), "U4194304");
  }
}

TEST(VhdxReader, TheParentMustHaveTheIdentifierThatTheLinkageNames) {
  VhdxImage base;
  for (std::size_t i = 0; i < 16; ++i) base.header.data_write_id[i] = static_cast<std::byte>(i);
  const auto parent = Opened(base.Finish());
  for (const auto& [key, text, good] :
       {std::tuple{u"parent_linkage", u"{03020100-0504-0706-0809-0a0b0c0d0e0f}", true},
        {u"parent_linkage", u"{03020100-0504-0706-0809-0A0B0C0D0E0F}", true},
        {u"parent_linkage2", u"{03020100-0504-0706-0809-0a0b0c0d0e0f}", true},
        {u"parent_linkage", u"{03020100-0504-0706-0809-0a0b0c0d0e0e}", false},
        {u"parent_linkage", u"{00010203-0405-0607-0809-0a0b0c0d0e0f}", false},
        {u"parent_linkage", u"03020100-0504-0706-0809-0a0b0c0d0e0f", false},
        {u"other", u"{03020100-0504-0706-0809-0a0b0c0d0e0f}", false}}) {
    VhdxImage image;
    image.Parent({{key, text}, {u"relative_path", u"b.vhdx"}});
    const auto child = Opened(image.Finish());
    const Status fits = child->CheckBacking(*parent);
    EXPECT_EQ(fits.has_value(), good);
    if (!good && !fits) {
      EXPECT_EQ(fits.error().code, ErrorCode::kCorrupt);
    }
  }
}

TEST(VhdxReader, AParentLocatorWithoutANameIsRefused) {
  VhdxImage nameless;
  nameless.Parent({{u"parent_linkage", u"{x}"}});
  EXPECT_EQ(CodeOf(nameless.Finish()), ErrorCode::kCorrupt);
  VhdxImage beyond;
  MemoryDevice& device = beyond.Parent({{u"relative_path", u"b.vhdx"}}).Finish();
  StoreLe32(device.bytes, VhdxImage::kMetadataAt + 0x20000 + 20 + 4, 0xFFFFFFF0);
  EXPECT_EQ(CodeOf(device), ErrorCode::kCorrupt);
  VhdxImage foreign;
  MemoryDevice& other = foreign.Parent({{u"relative_path", u"b.vhdx"}}).Finish();
  other.bytes[VhdxImage::kMetadataAt + 0x20000] ^= std::byte{1};
  EXPECT_EQ(CodeOf(other), ErrorCode::kUnsupported);
}

TEST(VhdxReader, BitmapBitsCountFromTheLeastSignificant) {
  VhdxImage image(2 * kMiB);
  image.Parent({{u"relative_path", u"b.vhdx"}});
  image.Block(0, 0xAA, 7);
  const std::uint64_t bitmap = image.Append(0);
  image.device.bytes[bitmap] = std::byte{0b0000'1101};
  image.device.bytes[bitmap + 255] = std::byte{0x80};  // the last sector of block 0
  image.Entry(image.bat().BitmapEntry(0), 6, bitmap);
  EXPECT_EQ(MapText(*Opened(image.Finish())),
            "D512@4194304 U512 D1024@4195328 U1046016 D512@5242368 U1048576");
}

TEST(VhdxReader, APartialBlockWithoutABitmapIsCorrupt) {
  VhdxImage image;
  image.Parent({{u"relative_path", u"b.vhdx"}}).Block(0, 0xAA, 7);
  const auto extent = Opened(image.Finish())->OpenCursor().value()->Next(0, kMiB);
  ASSERT_FALSE(extent);
  EXPECT_EQ(extent.error().code, ErrorCode::kCorrupt);
}

TEST(VhdxReader, SectorsOf4096BytesMakeLongerChunks) {
  VhdxImage image(2 * kMiB, kMiB, 4096);
  image.Parent({{u"relative_path", u"b.vhdx"}});
  EXPECT_EQ(image.bat().chunk_ratio(), 32768U);
  image.regions.bat.bytes = kMiB;
  image.Block(1, 0xAA, 7);
  const std::uint64_t bitmap = image.Append(0);
  image.device.bytes[bitmap + 32] = std::byte{0x02};  // sector 1 of block 1
  image.Entry(image.bat().BitmapEntry(1), 6, bitmap);
  EXPECT_EQ(MapText(*Opened(image.Finish())), "U1052672 D4096@4198400 U1040384");
}

}  // namespace
}  // namespace instar::test
