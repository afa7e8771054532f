#include "formats/vpc/footer.h"

#include <gtest/gtest.h>

#include <vector>

#include "formats/base/endian.h"
#include "formats/vpc/dynamic_header.h"

namespace instar::vpc {
namespace {

Footer Sample() {
  return {.data_offset = 512,
          .timestamp = 0x12345678,
          .creator = {'q', 'e', 'm', '2'},
          .original_bytes = 34816,
          .current_bytes = 40960,
          .geometry = {.cylinders = 1, .heads = 4, .sectors_per_track = 17},
          .type = DiskType::kDynamic,
          .unique_id = {std::byte{1}, std::byte{2}}};
}

std::vector<std::byte> Encoded(const Footer& footer) {
  std::vector<std::byte> bytes(Footer::kBytes);
  footer.EncodeTo(bytes);
  return bytes;
}

TEST(VpcFooter, DecodesWhatItEncodes) {
  const Footer footer = Sample();
  const auto back = Footer::DecodeFrom(Encoded(footer));
  ASSERT_TRUE(back);
  EXPECT_EQ(Encoded(*back), Encoded(footer));
  EXPECT_EQ(back->current_bytes, 40960U);
  EXPECT_EQ(back->geometry, footer.geometry);
  EXPECT_EQ(back->type, DiskType::kDynamic);
}

// The first 88 bytes of a footer that qemu-img 7.2 wrote, with its checksum.
TEST(VpcFooter, ReadsAFooterOfQemuImg) {
  constexpr std::string_view kHex =
      "636f6e656374697800000002000100000000000000000200"
      "3295018f71656d750005000357693"
      "26b00000000000f6800"
      "00000000000f6800001d041100000003ffffef2d6f896256e89147efae5804726cc722a9";
  std::vector<std::byte> bytes(Footer::kBytes);
  for (std::size_t i = 0; 2 * i < kHex.size(); ++i) {
    const auto digit = [&](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    bytes[i] = static_cast<std::byte>(digit(kHex[2 * i]) * 16 + digit(kHex[2 * i + 1]));
  }
  const auto footer = Footer::DecodeFrom(bytes);
  ASSERT_TRUE(footer) << footer.error().message;
  EXPECT_EQ(footer->virtual_sectors() * 512, 1009664U);
}

TEST(VpcFooter, AnyChangedByteFailsTheChecksum) {
  const auto good = Encoded(Sample());
  for (const std::size_t at : {8U, 20U, 28U, 50U, 56U, 70U, 511U}) {
    auto bytes = good;
    bytes[at] ^= std::byte{1};
    const auto footer = Footer::DecodeFrom(bytes);
    ASSERT_FALSE(footer) << at;
    EXPECT_EQ(footer.error().code, ErrorCode::kCorrupt);
  }
}

TEST(VpcFooter, OtherVersionsAndTypesAreRefused) {
  for (const auto& [at, value] :
       {std::pair{12, 0x00020000U}, {60, 0U}, {60, 1U}, {60, 5U}, {60, 0xFFFFFFFFU}}) {
    auto bytes = Encoded(Sample());
    StoreBe32(bytes, at, value);
    StoreBe32(bytes, Footer::kChecksumAt, Checksum(bytes, Footer::kChecksumAt));
    const auto footer = Footer::DecodeFrom(bytes);
    ASSERT_FALSE(footer) << value;
    EXPECT_EQ(footer.error().code, ErrorCode::kUnsupported);
  }
}

TEST(VpcFooter, VirtualPcAndQemuMeanTheGeometryAndAllOthersTheSize) {
  struct Case {
    std::array<char, 4> creator;
    std::uint64_t sectors;
  };
  for (const Case& c : {Case{{'v', 'p', 'c', ' '}, 68}, Case{{'q', 'e', 'm', 'u'}, 68},
                        Case{{'q', 'e', 'm', '2'}, 80}, Case{{'w', 'i', 'n', ' '}, 80},
                        Case{{'d', '2', 'v', ' '}, 80}, Case{{'t', 'a', 'p', 0}, 80},
                        Case{{'C', 'T', 'X', 'S'}, 80}, Case{{'?', '?', '?', '?'}, 80}}) {
    Footer footer = Sample();
    footer.creator = c.creator;
    EXPECT_EQ(footer.virtual_sectors(), c.sectors) << c.creator.data();
    footer.geometry = kMaxGeometry;
    EXPECT_EQ(footer.virtual_sectors(), 80U);
  }
}

TEST(VpcDynamicHeader, DecodesWhatItEncodes) {
  DynamicHeader header{.table_offset = 0x600, .table_entries = 7, .block_bytes = 4096};
  header.parent_locators[3] = {.platform = 0x57327275, .name_bytes = 20, .name_offset = 4096};
  header.parent_name[1] = std::byte{'p'};
  std::vector<std::byte> bytes(DynamicHeader::kBytes);
  header.EncodeTo(bytes);
  const auto back = DynamicHeader::DecodeFrom(bytes);
  ASSERT_TRUE(back);
  std::vector<std::byte> again(DynamicHeader::kBytes);
  back->EncodeTo(again);
  EXPECT_EQ(again, bytes);
  EXPECT_EQ(back->parent_locators[3].name_bytes, 20U);
  bytes[700] ^= std::byte{1};
  EXPECT_FALSE(DynamicHeader::DecodeFrom(bytes));
}

TEST(VpcDynamicHeader, BlocksAndTableMustFitTheDiskAndTheFile) {
  const DynamicHeader good{.table_offset = 2048, .table_entries = 10, .block_bytes = 4096};
  EXPECT_TRUE(good.Validate(80, 1 << 20));
  for (const std::uint32_t block : {0U, 1U, 256U, 4095U, 0xFFFFFFFFU}) {
    DynamicHeader header = good;
    header.block_bytes = block;
    EXPECT_FALSE(header.Validate(80, 1 << 20)) << block;
  }
  EXPECT_FALSE(good.Validate(81, 1 << 20));
  EXPECT_FALSE(good.Validate(80, 2048 + 39));
  DynamicHeader far = good;
  far.table_offset = ~std::uint64_t{0} - 3;
  EXPECT_FALSE(far.Validate(80, 1 << 20));
}

TEST(VpcDynamicHeader, TheSectorBitmapFillsWholeSectors) {
  EXPECT_EQ(DynamicHeader{.block_bytes = 512}.bitmap_bytes(), 512U);
  EXPECT_EQ(DynamicHeader{.block_bytes = 2 << 20}.bitmap_bytes(), 512U);
  EXPECT_EQ(DynamicHeader{.block_bytes = 4 << 20}.bitmap_bytes(), 1024U);
}

}  // namespace
}  // namespace instar::vpc
