#include "formats/base/crc32c.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace instar {
namespace {

std::uint32_t Of(std::string_view text) {
  Crc32c crc;
  crc.Add(std::as_bytes(std::span(text)));
  return crc.value();
}

struct Way {
  const char* name;
  internal::Crc32cFunction sum;
};
std::vector<Way> Ways() {
  std::vector<Way> ways = {{"one table", internal::Crc32cByOneTable()},
                           {"eight tables", internal::Crc32cByEightTables()}};
  if (const auto sse = internal::Crc32cBySse42()) ways.push_back({"SSE4.2", sse});
  return ways;
}

// By the definition, bit by bit.
std::uint32_t BitByBit(std::uint32_t state, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    state ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) state = state >> 1 ^ ((state & 1) != 0 ? 0x82F63B78U : 0U);
  }
  return state;
}

TEST(Crc32c, AllWaysSumAllLengthsAtAllAlignments) {
  std::vector<std::byte> bytes(8 + 300);
  std::uint32_t random = 1;
  for (std::byte& byte : bytes) byte = static_cast<std::byte>((random = random * 69069 + 1) >> 24);
  for (const Way& way : Ways()) {
    for (std::size_t at = 0; at < 8; ++at) {
      for (std::size_t length = 0; length <= 300; ++length) {
        const std::uint32_t state = length % 3 == 0 ? ~0U : random * 7;
        ASSERT_EQ(way.sum(state, bytes.data() + at, length),
                  BitByBit(state, std::span(bytes).subspan(at, length)))
            << way.name << ", " << length << " bytes at " << at;
      }
    }
  }
}

TEST(Crc32c, AllWaysGiveTheKnownValues) {
  for (const Way& way : Ways()) {
    std::vector<std::byte> bytes(32);
    EXPECT_EQ(~way.sum(~0U, bytes.data(), 32), 0x8A9136AAU) << way.name;
    for (unsigned i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(i);
    EXPECT_EQ(~way.sum(~0U, bytes.data(), 32), 0x46DD794EU) << way.name;
    for (unsigned i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(31 - i);
    EXPECT_EQ(~way.sum(~0U, bytes.data(), 32), 0x113FDB5CU) << way.name;
  }
}

// Short and long pieces, which are summed in different ways, make one sum.
TEST(Crc32c, PiecesMakeOneSumHoweverLong) {
  const std::vector<std::byte> bytes(50'000, std::byte{0x5A});
  const std::uint32_t whole = ~BitByBit(~0U, bytes);
  Crc32c crc;
  for (int round = 0; round < 2; ++round) {
    crc.Restart();
    std::size_t at = 0;
    for (const std::size_t length : {3, 5000, 60, 40000, 4937}) {
      crc.Add(std::span(bytes).subspan(at, length));
      at += length;
    }
    ASSERT_EQ(at, bytes.size());
    EXPECT_EQ(crc.value(), whole);
  }
}

// The check value of the catalogue, and those of RFC 3720, B.4.
TEST(Crc32c, GivesTheKnownValues) {
  EXPECT_EQ(Of("123456789"), 0xE3069283U);
  EXPECT_EQ(Of(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(Of(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(Of(""), 0U);
}

TEST(Crc32c, LeavesTheChecksumItselfOut) {
  std::vector<std::byte> bytes(32, std::byte{0});
  bytes[7] = std::byte{9};
  EXPECT_EQ(Crc32cWithout(bytes, 4), 0x8A9136AAU);
}

}  // namespace
}  // namespace instar
