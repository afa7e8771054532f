#include "formats/base/crc32c.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace instar {
namespace {

std::uint32_t Of(std::string_view text) {
  Crc32c crc;
  crc.Add(std::as_bytes(std::span(text)));
  return crc.value();
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
