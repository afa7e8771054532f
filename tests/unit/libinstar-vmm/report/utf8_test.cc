#include "report/utf8.h"

#include <gtest/gtest.h>

namespace instar::vmm {
namespace {

TEST(Utf8, CharactersAreDecodedWithTheirLength) {
  const Character euro = NextCharacter("\u20acx");
  EXPECT_EQ(euro.code, 0x20ACu);
  EXPECT_EQ(euro.length, 3u);
  const Character face = NextCharacter("\U0001F600");
  EXPECT_EQ(face.code, 0x1F600u);
  EXPECT_EQ(face.length, 4u);
}

}  // namespace
}  // namespace instar::vmm
