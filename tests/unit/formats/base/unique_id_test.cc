#include "formats/base/unique_id.h"

#include <gtest/gtest.h>

#include <set>

#include "formats/base/formats.h"

namespace instar {
namespace {

TEST(UniqueIds, HaveTheFormOfRandomUuids) {
  UniqueIdSource ids("kind", {});
  for (int i = 0; i < 100; ++i) {
    const UniqueId id = ids.Next();
    EXPECT_EQ(id[6] >> 4, std::byte{4});
    EXPECT_EQ(id[8] >> 6, std::byte{2});
  }
}

TEST(UniqueIds, EveryBitOfTheSeedCounts) {
  std::set<UniqueId> found = {UniqueIdSource("kind", {}).Next()};
  for (std::size_t bit = 0; bit < 128; ++bit) {
    IdentitySeed seed{};
    seed[bit / 8] = static_cast<std::byte>(1U << bit % 8);
    EXPECT_TRUE(found.insert(UniqueIdSource("kind", seed).Next()).second) << bit;
  }
}

TEST(UniqueIds, OneAfterAnotherAndThoseOfOtherKindsDiffer) {
  const IdentitySeed seed{std::byte{1}};
  UniqueIdSource ids("vhdx", seed);
  UniqueIdSource mixed("vhdx", seed);
  mixed.Mix(std::uint64_t{1});
  std::set<UniqueId> found;
  for (UniqueIdSource* source : {&ids, &mixed}) {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(found.insert(source->Next()).second);
  }
  EXPECT_TRUE(found.insert(UniqueIdSource("vpc", seed).Next()).second);
}

TEST(UniqueIds, OneSeedGivesTheSameOnes) {
  const IdentitySeed seed{std::byte{1}, std::byte{2}};
  EXPECT_EQ(UniqueIdSource("vpc", seed).Next(), UniqueIdSource("vpc", seed).Next());
}

TEST(IdentitySeeds, AreSixteenBytes) {
  EXPECT_FALSE(IdentitySeedFrom(""));
  EXPECT_FALSE(IdentitySeedFrom("fifteen bytes.."));
  EXPECT_FALSE(IdentitySeedFrom("seventeen bytes.."));
  const auto seed = IdentitySeedFrom("0123456789abcdef");
  ASSERT_TRUE(seed);
  EXPECT_EQ((*seed)[0], std::byte{'0'});
  EXPECT_EQ((*seed)[15], std::byte{'f'});
}

TEST(Identities, AreOfTheFormatsThatHaveThem) {
  for (const FormatId format : {FormatId::kVmdk, FormatId::kVhdx, FormatId::kVpc}) {
    EXPECT_TRUE(GetsIdentity(format, false)) << NameOf(format);
  }
  for (const FormatId format : {FormatId::kRaw, FormatId::kQcow2}) {
    EXPECT_FALSE(GetsIdentity(format, false)) << NameOf(format);
    EXPECT_FALSE(GetsIdentity(format, true)) << NameOf(format);
  }
  EXPECT_FALSE(GetsIdentity(FormatId::kVpc, true));
}

}  // namespace
}  // namespace instar
