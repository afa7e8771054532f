#include "formats/qcow2/check/counted_references.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <vector>

#include "support/qcow2_image.h"
#include "support/thread_workers.h"

namespace instar::qcow2 {
namespace {

class Qcow2CountedReferences : public ::testing::Test {
 protected:
  Qcow2CountedReferences() : image_(16, 1 << 20), disk_(image_.file, image_.header, 1 << 20) {
    Open(10, 20, disk_);
  }
  void Open(std::uint64_t first, std::uint64_t end, RefcountReader& disk) {
    counts_.Open(first, end);
    EXPECT_TRUE(counts_.Prepare(first, end, disk).has_value());
  }
  bool AddOnly(std::uint64_t cluster) {
    return counts_.CountAll<CountedReferences::Access::kAlone, CountedReferences::Wanted::kOnes>(
        cluster, 1, 65535);
  }

  test::Qcow2Image image_;
  RefcountReader disk_;
  CountedReferences counts_;
};

TEST_F(Qcow2CountedReferences, ManyReferencesAreCountedLikeFew) {
  constexpr std::uint64_t kMany = 70'000;
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    ASSERT_TRUE(counts_.Add(12, UINT64_MAX));
    if (i % 2 == 0) {
      ASSERT_TRUE(counts_.Add(11, UINT64_MAX));
    }
    if (i >= 65'530 && i <= 65'540) {
      ASSERT_EQ(counts_.count(12), i);
    }
  }
  for (std::uint64_t i = 0; i < 66'000; ++i) ASSERT_TRUE(counts_.Add(10, UINT64_MAX));
  EXPECT_EQ(counts_.count(10), 66'000U);
  EXPECT_EQ(counts_.count(11), kMany / 2);
  EXPECT_EQ(counts_.count(12), kMany);
  EXPECT_EQ(counts_.count(13), 0U);
}

TEST_F(Qcow2CountedReferences, NoMoreIsCountedThanARefcountHolds) {
  for (std::uint64_t i = 0; i < 65'535; ++i) ASSERT_TRUE(counts_.Add(19, 65'535));
  EXPECT_FALSE(counts_.Add(19, 65'535));
  EXPECT_EQ(counts_.count(19), 65'535U);
  EXPECT_TRUE(counts_.Add(18, 1));
  EXPECT_FALSE(counts_.Add(18, 1));
}

TEST_F(Qcow2CountedReferences, OnlyTheFirstReferenceIsAnOnlyOne) {
  std::uint64_t one = 10;
  while (one < 20 && counts_.on_disk(one) != CountedReferences::OnDisk::kOne) ++one;
  EXPECT_EQ(one, 20U) << "the image counts none of these";
  EXPECT_FALSE(AddOnly(12)) << "its refcount is 0";
  EXPECT_EQ(counts_.count(12), 0U);

  image_.file.PutBe64(image_.header.refcount_table_offset, image_.At(30));
  image_.file.PutBe64(image_.At(30) + 12 * 2, 0x0001'0002'0000'0001);
  RefcountReader disk(image_.file, image_.header, 1 << 20);
  Open(10, 20, disk);
  EXPECT_TRUE(AddOnly(12));
  EXPECT_EQ(counts_.count(12), 1U);
  EXPECT_FALSE(AddOnly(12)) << "it has one already";
  EXPECT_FALSE(AddOnly(13)) << "its refcount is 2";
  EXPECT_FALSE(AddOnly(14));
  EXPECT_TRUE(AddOnly(15));
  EXPECT_TRUE(counts_.Add(15, UINT64_MAX));
  EXPECT_EQ(counts_.count(15), 2U);
}

TEST_F(Qcow2CountedReferences, AnotherWindowStartsAnew) {
  for (std::uint64_t i = 0; i < 66'000; ++i) ASSERT_TRUE(counts_.Add(15, UINT64_MAX));
  Open(15, 30, disk_);
  EXPECT_EQ(counts_.count(15), 0U);
  EXPECT_FALSE(counts_.Holds(14));
  for (std::uint64_t i = 0; i < 66'000; ++i) ASSERT_TRUE(counts_.Add(15, UINT64_MAX));
  EXPECT_EQ(counts_.count(15), 66'000U);
}

// Refcounts of one for clusters 100 to 399, but for those that a test changes.
class Qcow2CountsOfMany : public Qcow2CountedReferences {
 protected:
  Qcow2CountsOfMany() {
    image_.file.PutBe64(image_.header.refcount_table_offset, image_.At(30));
    for (std::uint64_t cluster = 100; cluster < 400; ++cluster) SetRefcount(cluster, 1);
  }
  void SetRefcount(std::uint64_t cluster, std::uint16_t count) {
    image_.file.PutBe16(image_.At(30) + cluster * 2, count);
  }
  void Learn(std::uint64_t first, std::uint64_t end) {
    disk_of_many_.emplace(image_.file, image_.header, 1 << 20);
    Open(first, end, *disk_of_many_);
  }
  bool Claim(std::uint64_t cluster, std::uint64_t count, CountedReferences::Access access) {
    return access == CountedReferences::Access::kAlone
               ? counts_
                     .CountAll<CountedReferences::Access::kAlone, CountedReferences::Wanted::kOnes>(
                         cluster, count, 65535)
               : counts_.CountAll<CountedReferences::Access::kShared,
                                  CountedReferences::Wanted::kOnes>(cluster, count, 65535);
  }
  // What AgreeTo stops at, going on behind it each time.
  std::vector<std::uint64_t> Disagreements(std::uint64_t first, std::uint64_t end) {
    std::vector<std::uint64_t> found;
    for (std::uint64_t at = first; (at = counts_.AgreeTo(at, end, highest_)) < end; ++at) {
      auto run = disk_of_many_->RunAt(at);
      EXPECT_TRUE(run.has_value());
      if (!counts_.Agree(*run, disk_of_many_->order(), at, at + 1, highest_)) found.push_back(at);
    }
    return found;
  }

  std::optional<RefcountReader> disk_of_many_;
  std::uint64_t highest_ = 0;
};

TEST_F(Qcow2CountsOfMany, ClaimsOfManyAreAllOrNothing) {
  SetRefcount(300, 2);
  for (const auto access :
       {CountedReferences::Access::kAlone, CountedReferences::Access::kShared}) {
    // The bits of the window begin at its first cluster.
    for (const std::uint64_t first : {0, 37, 100}) {
      Learn(first, 500);
      EXPECT_FALSE(Claim(110, 191, access)) << "the refcount of the last is 2";
      if (first < 100) {
        EXPECT_FALSE(Claim(99, 2, access)) << "the refcount of the first is 0";
      }
      EXPECT_FALSE(Claim(390, 11, access)) << "the refcount of the last is 0";
      for (std::uint64_t at = 100; at < 400; ++at) ASSERT_EQ(counts_.count(at), 0U) << at;
      EXPECT_TRUE(Claim(110, 190, access));
      EXPECT_FALSE(Claim(299, 1, access)) << "it is claimed";
      EXPECT_FALSE(Claim(100, 11, access)) << "the last is claimed";
      for (std::uint64_t at = 100; at < 400; ++at) {
        ASSERT_EQ(counts_.count(at), at >= 110 && at < 300 ? 1U : 0U) << at;
      }
      EXPECT_TRUE(Claim(100, 10, access));
      EXPECT_TRUE(Claim(301, 99, access));
      EXPECT_EQ(Disagreements(first, 500), std::vector<std::uint64_t>{300});
      EXPECT_EQ(highest_, 399U);
      counts_.TakeBack<CountedReferences::Access::kAlone>(320, 5);
      EXPECT_EQ(Disagreements(first, 500),
                (std::vector<std::uint64_t>{300, 320, 321, 322, 323, 324}));
    }
  }
}

TEST_F(Qcow2CountsOfMany, WhatIsSharedAgreesCountByCount) {
  SetRefcount(163, 3);
  SetRefcount(164, 2);
  Learn(100, 500);
  for (std::uint64_t cluster = 100; cluster < 400; ++cluster) {
    const int references = cluster == 163 || cluster == 165 ? 3 : cluster == 164 ? 2 : 1;
    for (int i = 0; i < references; ++i) ASSERT_TRUE(counts_.Add(cluster, 65'535));
  }
  EXPECT_EQ(Disagreements(100, 500), std::vector<std::uint64_t>{165});
  counts_.Clear();
  EXPECT_EQ(Disagreements(100, 500).size(), 300U);
  EXPECT_EQ(Disagreements(400, 500).size(), 0U);
}

TEST_F(Qcow2CountsOfMany, WhatIsSharedIsCountedAllOrNothing) {
  for (std::uint64_t cluster = 200; cluster < 300; ++cluster) SetRefcount(cluster, 3);
  Learn(37, 500);
  using Access = CountedReferences::Access;
  using Wanted = CountedReferences::Wanted;
  EXPECT_FALSE((counts_.CountAll<Access::kAlone, Wanted::kMore>(199, 5, 65'535)));
  EXPECT_FALSE((counts_.CountAll<Access::kShared, Wanted::kOnes>(199, 5, 65'535)));
  EXPECT_FALSE((counts_.CountAll<Access::kShared, Wanted::kEither>(390, 11, 65'535)))
      << "the refcount of the last is 0";
  for (std::uint64_t at = 100; at < 400; ++at) ASSERT_EQ(counts_.count(at), 0U) << at;
  EXPECT_TRUE((counts_.CountAll<Access::kAlone, Wanted::kMore>(201, 97, 3)));
  EXPECT_TRUE((counts_.CountAll<Access::kShared, Wanted::kEither>(150, 200, 3)));
  EXPECT_FALSE((counts_.CountAll<Access::kShared, Wanted::kEither>(250, 60, 3)))
      << "300 has one already";
  EXPECT_TRUE(counts_.Add(260, 3));
  EXPECT_FALSE((counts_.CountAll<Access::kShared, Wanted::kMore>(201, 97, 3))) << "260 has three";
  for (std::uint64_t at = 100; at < 400; ++at) {
    const std::uint64_t once = at >= 150 && at < 350 ? 1 : 0;
    const std::uint64_t shared = at >= 201 && at < 298 ? 1 : 0;
    ASSERT_EQ(counts_.count(at), once + shared + (at == 260 ? 1 : 0)) << at;
  }
  EXPECT_FALSE(counts_.Add(260, 3));
  counts_.TakeBack<Access::kShared>(150, 200);
  EXPECT_EQ(counts_.count(260), 2U);
  EXPECT_EQ(counts_.count(150), 0U);
}

TEST_F(Qcow2CountsOfMany, OneClusterIsCountedSeveralTimes) {
  SetRefcount(200, 40'000);
  Learn(90, 500);
  constexpr auto kShared = CountedReferences::Access::kShared;
  EXPECT_FALSE(counts_.CountTimes<kShared>(99, 1, 65'535));
  EXPECT_FALSE(counts_.CountTimes<kShared>(199, 2, 65'535)) << "its refcount is 1";
  EXPECT_TRUE(counts_.CountTimes<kShared>(199, 1, 65'535));
  EXPECT_TRUE(counts_.CountTimes<kShared>(200, 40'000, 65'535));
  EXPECT_FALSE(counts_.CountTimes<kShared>(200, 25'536, 65'535));
  EXPECT_FALSE(counts_.CountTimes<kShared>(200, 25'535, UINT64_MAX)) << "it does not fit";
  EXPECT_TRUE(counts_.CountTimes<kShared>(200, 25'534, 65'535));
  EXPECT_FALSE(counts_.CountTimes<kShared>(200, 1, 65'535));
  EXPECT_TRUE(counts_.Add(200, 65'535));
  EXPECT_EQ(counts_.count(200), 65'535U);
  EXPECT_FALSE(counts_.Add(200, 65'535));
  EXPECT_TRUE(counts_.Add(200, 65'536));
  EXPECT_EQ(counts_.count(200), 65'536U);
  EXPECT_EQ(counts_.count(199), 1U);
  EXPECT_EQ(counts_.count(201), 0U);
  counts_.TakeBackTimes<kShared>(199, 1);
  EXPECT_EQ(counts_.count(199), 0U);
}

// Of all that workers count and take back at the same time there remains what was not taken back.
TEST_F(Qcow2CountsOfMany, WorkersMayCountAtTheSameTime) {
  for (std::uint64_t cluster = 150; cluster < 400; ++cluster) SetRefcount(cluster, 9);
  Learn(100, 500);
  using Access = CountedReferences::Access;
  using Wanted = CountedReferences::Wanted;
  test::ThreadWorkers workers(4);
  std::atomic<unsigned> claims = 0;
  auto work = [&](unsigned worker) {
    for (std::uint64_t i = 0; i < 2000; ++i) {
      const std::uint64_t first = 150 + (i * 7 + worker) % 100;
      EXPECT_TRUE((counts_.CountAll<Access::kShared, Wanted::kMore>(first, 150, 60'000)));
      counts_.CountTimes<Access::kShared>(first, 3, 60'000);
      if (counts_.CountAll<Access::kShared, Wanted::kOnes>(110, 40, 60'000)) {
        claims.fetch_add(1);
        counts_.TakeBack<Access::kShared>(110, 40);
      }
      counts_.TakeBack<Access::kShared>(first, 150);
    }
  };
  ASSERT_TRUE(RunOnAll(workers, work).has_value());
  EXPECT_GT(claims.load(), 0U);
  std::vector<std::uint64_t> expected(500, 0);
  for (std::uint64_t worker = 0; worker < 4; ++worker) {
    for (std::uint64_t i = 0; i < 2000; ++i) expected[150 + (i * 7 + worker) % 100] += 3;
  }
  for (std::uint64_t at = 100; at < 400; ++at) ASSERT_EQ(counts_.count(at), expected[at]) << at;
}

TEST_F(Qcow2CountsOfMany, AMisplacedBlockNeverAgrees) {
  image_.file.PutBe64(image_.header.refcount_table_offset, image_.At(30) + 512);
  Learn(100, 500);
  EXPECT_EQ(counts_.on_disk(200), CountedReferences::OnDisk::kUnknown);
  EXPECT_FALSE(Claim(200, 1, CountedReferences::Access::kAlone));
  EXPECT_EQ(Disagreements(100, 500).size(), 400U);
}

}  // namespace
}  // namespace instar::qcow2
