#include "formats/base/disk_struct.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace instar {
namespace {

enum class Kind : std::uint16_t { kOne = 1, kTwo = 2 };

struct Point {
  std::uint8_t x = 0;
  std::uint16_t y = 0;
};
constexpr DiskStruct kPointFields{
    Field<Le8, 0, &Point::x>{"x"},
    Field<Be16, 1, &Point::y>{"y"},
};

struct Sample {
  std::uint32_t big = 0;
  std::uint64_t little = 0;
  Kind kind = Kind::kOne;
  std::array<char, 3> text{};
  Point point;
  std::array<Point, 2> points{};
  std::optional<std::uint64_t> late;
  std::uint64_t wide = 0;
};
constexpr DiskStruct kSampleFields{
    Constant<Be32, 0, NumberOf("tEsT")>{"magic"},
    Field<Be32, 4, &Sample::big>{"big", {1, 100, "big is {0}, not {1} to {2}"}},
    Field<Le64, 8, &Sample::little>{"little"},
    Field<Le16, 18, &Sample::kind>{"kind"},
    Field<RawBytes, 20, &Sample::text>{"text"},
    Field<Nested<kPointFields>, 23, &Sample::point>{"point"},
    Field<Nested<kPointFields>, 26, &Sample::points>{"points"},
    Field<OrZero<Be32>, 32, &Sample::wide>{"wide"},
    Field<Be64, 40, &Sample::late>{"late"},
};
static_assert(kSampleFields.kBytes == 48);
static_assert(kSampleFields.OffsetOf<&Sample::little>() == 8);
static_assert(kSampleFields.OffsetOf<&Sample::late>() == 40);

Sample Filled() {
  return {.big = 0x01020304,
          .little = 0x1112131415161718,
          .kind = Kind::kTwo,
          .text = {'a', 'b', 'c'},
          .point = {.x = 5, .y = 0x0607},
          .points = {Point{.x = 8, .y = 9}, Point{.x = 10, .y = 11}},
          .late = 12,
          .wide = 13};
}

std::array<unsigned char, 48> Encoded(const Sample& sample, std::byte fill) {
  std::array<std::byte, 48> bytes{};
  bytes.fill(fill);
  kSampleFields.Encode(sample, bytes);
  std::array<unsigned char, 48> out{};
  std::ranges::transform(bytes, out.begin(), [](std::byte b) { return std::to_integer<int>(b); });
  return out;
}

TEST(DiskStruct, FieldsStandWhereTheListSaysInTheirOrderOfBytes) {
  const std::array<unsigned char, 48> expected = {
      't', 'E', 's', 'T', 1,   2,   3,   4, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
      0,   0,   2,   0,   'a', 'b', 'c', 5, 6,    7,    8,    0,    9,    10,   0,    11,
      0,   0,   0,   13,  0,   0,   0,   0, 0,    0,    0,    0,    0,    0,    0,    12};
  EXPECT_EQ(Encoded(Filled(), std::byte{0}), expected);
}

TEST(DiskStruct, WhatIsNotListedStays) {
  const auto bytes = Encoded(Filled(), std::byte{0xEE});
  EXPECT_EQ(bytes[16], 0xEE);
  EXPECT_EQ(bytes[36], 0xEE);
  EXPECT_EQ(bytes[35], 13);
}

TEST(DiskStruct, DecodingIsTheInverse) {
  std::array<std::byte, 48> bytes{};
  kSampleFields.Encode(Filled(), bytes);
  Sample back;
  kSampleFields.Decode(bytes, back);
  EXPECT_EQ(back.big, 0x01020304u);
  EXPECT_EQ(back.little, 0x1112131415161718u);
  EXPECT_EQ(back.kind, Kind::kTwo);
  EXPECT_EQ(back.text, (std::array{'a', 'b', 'c'}));
  EXPECT_EQ(back.point.y, 0x0607);
  EXPECT_EQ(back.points[1].x, 10);
  EXPECT_EQ(back.late, 12u);
  EXPECT_EQ(back.wide, 13u);
}

TEST(DiskStruct, AShortStructureGivesTheFieldsThatItHolds) {
  std::array<std::byte, 48> bytes{};
  kSampleFields.Encode(Filled(), bytes);
  Sample back;
  kSampleFields.DecodeSome(std::span<const std::byte>(bytes).first(47), back);
  EXPECT_EQ(back.wide, 13u);
  EXPECT_EQ(back.late, std::nullopt);

  std::array<std::byte, 48> part{};
  kSampleFields.EncodeSome(Filled(), std::span(part).first(9));
  EXPECT_EQ(part[7], std::byte{4});
  EXPECT_EQ(part[8], std::byte{0}) << "a field that does not fit is not stored";
}

TEST(DiskStruct, AValueThatDoesNotFitIsZeroWhereTheListSaysSo) {
  Sample sample = Filled();
  sample.wide = std::uint64_t{1} << 32;
  EXPECT_EQ(Encoded(sample, std::byte{0xEE})[35], 0);
}

TEST(DiskStruct, RangesAreCheckedWithTheirMessage) {
  Sample sample;
  for (const std::uint32_t good : {1u, 100u}) {
    sample.big = good;
    EXPECT_TRUE(CheckRanges<kSampleFields>(sample)) << good;
  }
  for (const std::uint32_t bad : {0u, 101u}) {
    sample.big = bad;
    const Status checked = CheckRanges<kSampleFields>(sample);
    ASSERT_FALSE(checked) << bad;
    EXPECT_STREQ(checked.error().message, "big is {0}, not {1} to {2}");
    EXPECT_EQ(checked.error().numbers, (std::array<std::uint64_t, 3>{bad, 1, 100}));
  }
}

}  // namespace
}  // namespace instar
