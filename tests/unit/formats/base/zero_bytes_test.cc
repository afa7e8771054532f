#include "formats/base/zero_bytes.h"

#include <gtest/gtest.h>

#include <vector>

namespace instar {
namespace {

// Each length around the blocks that are looked at together, with the one byte at each place.
TEST(ZeroBytes, FindsOneByteWhereverItStands) {
  EXPECT_TRUE(IsZero({}));
  for (std::size_t length = 1; length < 200; ++length) {
    std::vector<std::byte> bytes(length);
    EXPECT_TRUE(IsZero(bytes)) << length;
    for (std::byte& byte : bytes) {
      byte = std::byte{0x80};
      EXPECT_FALSE(IsZero(bytes)) << length;
      byte = std::byte{0};
    }
  }
}

}  // namespace
}  // namespace instar
