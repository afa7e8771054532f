#include "formats/edit/cluster_space.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace instar {
namespace {

using Runs = std::vector<ClusterRun>;

TEST(ClusterSpace, TakesTheFirstPlaceThatFits) {
  ClusterSpace space({{3, 1}, {5, 4}, {12, 2}}, 20, 100);
  EXPECT_EQ(space.Take(2).value(), 5u);
  EXPECT_EQ(space.Take(1).value(), 3u);
  EXPECT_EQ(space.Take(3).value(), 20u);
  EXPECT_EQ(space.Take(2).value(), 7u);
  EXPECT_EQ(space.end(), 23u);
  EXPECT_EQ(space.taken(), (Runs{{3, 1}, {5, 4}, {20, 3}}));
}

TEST(ClusterSpace, UsesWhatIsFreeBeforeTheEndForALongRun) {
  ClusterSpace space({{8, 2}}, 10, 100);
  EXPECT_EQ(space.Take(5).value(), 8u);
  EXPECT_EQ(space.end(), 13u);
}

TEST(ClusterSpace, TakesNothingWhereThereIsNoRoom) {
  ClusterSpace space({{3, 2}}, 10, 12);
  EXPECT_EQ(space.Take(3).error().code, ErrorCode::kNoSpace);
  EXPECT_TRUE(space.taken().empty());
  EXPECT_EQ(space.Take(2).value(), 3u);
  EXPECT_EQ(space.Take(2).value(), 10u);
  EXPECT_EQ(space.Take(1).error().code, ErrorCode::kNoSpace);
}

TEST(ClusterSpace, TakesSomeAtTheEndOrWhereThereIsMost) {
  ClusterSpace space({{1, 2}, {5, 7}}, 20, 24);
  EXPECT_EQ(space.TakeSome(3).value(), (ClusterRun{20, 3}));
  EXPECT_EQ(space.TakeSome(9).value(), (ClusterRun{5, 7}));
  EXPECT_EQ(space.TakeSome(9).value(), (ClusterRun{1, 2}));
  EXPECT_EQ(space.TakeSome(9).value(), (ClusterRun{23, 1}));
  EXPECT_EQ(space.TakeSome(9).error().code, ErrorCode::kNoSpace);
}

TEST(ClusterSpace, TakesTheLowest) {
  ClusterSpace space({{1, 2}, {5, 7}}, 20, 24);
  EXPECT_EQ(space.TakeLowest(1).value(), (ClusterRun{1, 1}));
  EXPECT_EQ(space.TakeLowest(3).value(), (ClusterRun{2, 1}));
  EXPECT_EQ(space.TakeLowest(9).value(), (ClusterRun{5, 7}));
  EXPECT_EQ(space.TakeLowest(3).value(), (ClusterRun{20, 3}));
  EXPECT_EQ(space.TakeLowest(3).value(), (ClusterRun{23, 1}));
  EXPECT_EQ(space.TakeLowest(3).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(space.end(), 24u);
}

TEST(ClusterSpace, KnowsWhatWasTaken) {
  ClusterSpace space({{3, 2}}, 10, 100);
  ASSERT_EQ(space.Take(2).value(), 3u);
  EXPECT_TRUE(space.IsTaken(3, 2));
  EXPECT_FALSE(space.IsTaken(3, 3));
  EXPECT_FALSE(space.IsTaken(2, 1));
  EXPECT_FALSE(space.IsTaken(10, 1));
}

// Random requests against a set of single clusters.
TEST(ClusterSpace, GivesEachClusterToOne) {
  std::mt19937 random(1);
  Runs free;
  for (std::uint64_t at = 1; at < 200; at += 3 + random() % 5)
    free.push_back({at, 1 + random() % 2});
  std::set<std::uint64_t> inside;
  for (const ClusterRun& run : free) {
    for (std::uint64_t i = 0; i < run.count; ++i) inside.insert(run.first + i);
  }
  ClusterSpace space(free, 210, 260);
  std::set<std::uint64_t> taken;
  std::vector<ClusterRun> held;
  for (int step = 0; step < 2000; ++step) {
    if (!held.empty() && random() % 2 == 0) {
      const std::size_t i = random() % held.size();
      space.Give(held[i]);
      for (std::uint64_t j = 0; j < held[i].count; ++j) taken.erase(held[i].first + j);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    }
    const std::uint64_t count = 1 + random() % 3;
    const auto first = space.Take(count);
    if (!first) continue;
    held.push_back({*first, count});
    for (std::uint64_t j = 0; j < count; ++j) {
      const std::uint64_t cluster = *first + j;
      EXPECT_TRUE(taken.insert(cluster).second) << cluster;
      EXPECT_TRUE(cluster >= 210 ? cluster < 260 : inside.contains(cluster)) << cluster;
      EXPECT_TRUE(space.IsTaken(cluster, 1));
    }
  }
  for (std::uint64_t cluster = 0; cluster < 260; ++cluster) {
    EXPECT_EQ(space.IsTaken(cluster, 1), taken.contains(cluster)) << cluster;
  }
}

TEST(ClusterSpace, TellsHowManyClustersAreMissing) {
  const ClusterSpace space({{1, 2}, {5, 7}}, /*end=*/20, /*limit=*/24);
  EXPECT_TRUE(space.Require(13));
  const Status missing = space.Require(20);
  EXPECT_EQ(missing.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(missing.error().numbers[0], 7u);
}

}  // namespace
}  // namespace instar
