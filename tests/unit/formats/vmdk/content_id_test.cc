#include "formats/vmdk/content_id.h"

#include <gtest/gtest.h>

#include "formats/base/endian.h"
#include "formats/base/unique_id.h"

namespace instar::vmdk {
namespace {

IdentitySeed Seed(std::uint64_t number) {
  IdentitySeed seed{};
  StoreLe64(seed, 0, number);
  return seed;
}

// The number that a source gives first, which is what it has to be unless it has a meaning.
std::uint32_t FirstOf(std::string_view kind, const IdentitySeed& seed, std::uint32_t other) {
  UniqueIdSource ids(kind, seed);
  ids.Mix(std::uint64_t{other});
  const UniqueId id = ids.Next();
  return LoadLe32(id, 0);
}

TEST(VmdkContentId, IsSaidOfOneSeedAndOneParent) {
  EXPECT_EQ(FreshContentId(Seed(1), 0xFFFFFFFF), FreshContentId(Seed(1), 0xFFFFFFFF));
  EXPECT_NE(FreshContentId(Seed(1), 0xFFFFFFFF), FreshContentId(Seed(2), 0xFFFFFFFF));
  EXPECT_NE(FreshContentId(Seed(1), 0xFFFFFFFF), FreshContentId(Seed(1), 7));
  EXPECT_EQ(FreshContentId(Seed(1), 7), FirstOf("vmdk", Seed(1), 7));
}

TEST(VmdkContentId, AllOf32BitsButThoseThatMeanSomething) {
  bool high = false;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint32_t id = FreshContentId(Seed(i), 0xFFFFFFFF);
    EXPECT_NE(id, 0U);
    EXPECT_LT(id, 0xFFFFFFFEU);
    high |= id >= 0x80000000;
  }
  EXPECT_TRUE(high);
}

TEST(VmdkContentId, AChangedOneIsAnother) {
  const std::uint32_t first = ChangedContentId(Seed(1), 5);
  EXPECT_NE(first, 5U);
  EXPECT_NE(ChangedContentId(Seed(1), first), first);
  EXPECT_NE(ChangedContentId(Seed(2), 5), first);
}

}  // namespace
}  // namespace instar::vmdk
