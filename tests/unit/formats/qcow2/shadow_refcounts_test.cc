#include "formats/qcow2/edit/shadow_refcounts.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "formats/base/endian.h"
#include "formats/qcow2/read/refcount_reader.h"
#include "support/fresh_image.h"
#include "support/memory_device.h"

namespace instar::qcow2 {
namespace {

using test::MemoryDevice;

using Counts = std::map<std::uint64_t, std::uint64_t>;  // those that are not 0

class ShadowRefcountsTest : public testing::Test {
 protected:
  void Make(std::string_view options, std::uint64_t data = 0) {
    image.bytes.clear();
    auto writer = test::NewImage(FormatId::kQcow2, image, 1 << 22, options);
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->Begin());
    if (data != 0) test::Put(**writer, image, 0, data, 5);
    ASSERT_TRUE((*writer)->Finish());
    header = Header::DecodeFrom(image.bytes).value();
  }
  [[nodiscard]] Counts CountsOf(const Header& of) const {
    RefcountReader reader(image, of, 0);
    const std::uint64_t per_block = RefcountsPerBlock(of.cluster_bits, of.refcount_order);
    Counts counts;
    for (std::uint64_t i = 0; i < reader.table_entries(); ++i) {
      if (reader.TableEntry(i).value() == 0) continue;
      for (std::uint64_t cluster = i * per_block; cluster < (i + 1) * per_block; ++cluster) {
        if (const std::uint64_t count = reader.At(cluster)->value()) counts[cluster] = count;
      }
    }
    return counts;
  }
  [[nodiscard]] std::vector<std::uint64_t> BlocksOf(const Header& of) const {
    RefcountReader reader(image, of, 0);
    std::vector<std::uint64_t> blocks;
    for (std::uint64_t i = 0; i < reader.table_entries(); ++i) {
      if (const std::uint64_t entry = reader.TableEntry(i).value()) {
        blocks.push_back(entry >> of.cluster_bits);
      }
    }
    return blocks;
  }
  static void Add(Counts& counts, std::uint64_t cluster, std::int64_t delta) {
    std::uint64_t& count = counts[cluster];
    count += static_cast<std::uint64_t>(delta);
    if (count == 0) counts.erase(cluster);
  }

  MemoryDevice image;
  Header header;
};

TEST_F(ShadowRefcountsTest, WithoutAChangeNothingIsWritten) {
  Make("");
  ClusterSpace space({}, image.bytes.size() >> 16, 1 << 20);
  Transaction transaction(image, space, 16);
  ShadowRefcounts counts(transaction, space, header);
  ASSERT_TRUE(counts.Load());
  image.writes = 0;
  ASSERT_TRUE(counts.Finish());
  EXPECT_EQ(image.writes, 0u);
  EXPECT_FALSE(counts.changed());
  EXPECT_EQ(counts.table_offset(), header.refcount_table_offset);
}

TEST_F(ShadowRefcountsTest, RefusesCountsThatTheWidthCannotHold) {
  Make("refcount_bits=1");
  ClusterSpace space({}, image.bytes.size() >> 16, 1 << 20);
  Transaction transaction(image, space, 16);
  ShadowRefcounts counts(transaction, space, header);
  ASSERT_TRUE(counts.Load());
  counts.Change({0, 1}, 1);
  const Status finished = counts.Finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::kLimit);
  EXPECT_EQ(finished.error().numbers[1], 1u);
}

TEST_F(ShadowRefcountsTest, RefusesCountsBelowZero) {
  Make("");
  ClusterSpace space({}, image.bytes.size() >> 16, 1 << 20);
  Transaction transaction(image, space, 16);
  ShadowRefcounts counts(transaction, space, header);
  ASSERT_TRUE(counts.Load());
  counts.Change({1000, 1}, -1);
  EXPECT_EQ(counts.Finish().error().code, ErrorCode::kCorrupt);
}

// Random changes, some one by one and some in walks: each cluster has what it had and what was
// added; the new tables are counted, and the old ones no longer.
TEST_F(ShadowRefcountsTest, CountsWhatWasChangedAndItself) {
  constexpr const char* kOptions[] = {"cluster_size=512", "cluster_size=512,refcount_bits=64",
                                      "cluster_size=1k,refcount_bits=8", "cluster_size=4k", ""};
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Make(kOptions[seed % std::size(kOptions)], random() % 3 * 262'144);
    const unsigned bits = header.cluster_bits;
    const Counts before = CountsOf(header);
    const std::vector<std::uint64_t> old_blocks = BlocksOf(header);
    const std::vector<std::byte> old_bytes = image.bytes;
    const std::uint64_t end = before.rbegin()->first + 1;
    ClusterSpace space({}, end, std::uint64_t{1} << 40);
    Transaction transaction(image, space, bits);
    ShadowRefcounts counts(transaction, space, header);
    ASSERT_TRUE(counts.Load());
    Counts expected = before;
    const auto may_drop = [&](std::uint64_t cluster) {
      const bool table = cluster - (header.refcount_table_offset >> bits) <
                         std::uint64_t{header.refcount_table_clusters};
      return expected.contains(cluster) && !table &&
             std::ranges::find(old_blocks, cluster) == old_blocks.end();
    };
    for (int i = 0; i < 20; ++i) {
      ClusterRun run{random() % (random() % 4 == 0 ? 100'000 : end), 1 + random() % 700};
      std::int64_t delta = 1 + static_cast<std::int64_t>(random() % 3);
      // Sometimes what is in use goes, and with some seeds comes back.
      if (random() % 2 == 0 && may_drop(run.first)) {
        const std::uint64_t most = run.count;
        for (run.count = 1; run.count < most && may_drop(run.end());) ++run.count;
        delta = -1;
      } else if (seed % 2 == 0 && run.first < end) {
        run.first += end;
      }
      for (std::uint64_t cluster = run.first; cluster < run.end(); ++cluster) {
        Add(expected, cluster, delta);
      }
      if (random() % 2 == 0) {
        counts.Change(run, delta);
      } else {
        ASSERT_TRUE(counts.ChangeMany([&](const auto& visit) { return visit(run, delta); }));
      }
    }
    const auto finished = counts.Finish();
    ASSERT_TRUE(finished) << finished.error().message;
    // Nothing of the old image was written to.
    for (const auto& [cluster, count] : before) {
      const std::size_t from = cluster << bits;
      const std::size_t to = std::min<std::size_t>((cluster + 1) << bits, old_bytes.size());
      if (from >= to) continue;
      ASSERT_TRUE(std::equal(old_bytes.begin() + static_cast<std::ptrdiff_t>(from),
                             old_bytes.begin() + static_cast<std::ptrdiff_t>(to),
                             image.bytes.begin() + static_cast<std::ptrdiff_t>(from)))
          << cluster;
    }
    Header changed = header;
    changed.refcount_table_offset = counts.table_offset();
    changed.refcount_table_clusters = static_cast<std::uint32_t>(counts.table_clusters());
    for (const ClusterRun& run : space.taken()) {
      for (std::uint64_t i = 0; i < run.count; ++i) Add(expected, run.first + i, 1);
    }
    const std::vector<std::uint64_t> new_blocks = BlocksOf(changed);
    for (const std::uint64_t block : old_blocks) {
      if (std::ranges::find(new_blocks, block) == new_blocks.end()) Add(expected, block, -1);
    }
    for (std::uint64_t i = 0; i < header.refcount_table_clusters; ++i) {
      Add(expected, (header.refcount_table_offset >> bits) + i, -1);
    }
    EXPECT_EQ(CountsOf(changed), expected);
    EXPECT_EQ(counts.CountedEnd().value(), expected.rbegin()->first + 1);
    // What was in use and is no longer.
    Counts freed;
    ASSERT_TRUE(counts.VisitFreed([&](const ClusterRun& run) {
      for (std::uint64_t i = 0; i < run.count; ++i) ++freed[run.first + i];
    }));
    Counts gone;
    for (const auto& [cluster, count] : before) {
      if (!expected.contains(cluster)) gone[cluster] = 1;
    }
    EXPECT_EQ(freed, gone);
  }
}

TEST_F(ShadowRefcountsTest, BlocksThatCountNothingGo) {
  Make("cluster_size=512", 1 << 20);
  const Counts before = CountsOf(header);
  const std::uint64_t end = before.rbegin()->first + 1;
  ClusterSpace space({}, end, 1 << 20);
  Transaction transaction(image, space, 9);
  ShadowRefcounts counts(transaction, space, header);
  ASSERT_TRUE(counts.Load());
  // All but what the counts themselves stand in.
  std::vector<std::uint64_t> own = BlocksOf(header);
  own.push_back(header.refcount_table_offset >> 9);
  ASSERT_TRUE(counts.ChangeMany([&](const auto& visit) -> Status {
    for (const auto& [cluster, count] : before) {
      const bool is_own = std::ranges::find(own, cluster) != own.end();
      const bool table =
          cluster > own.back() && cluster - own.back() < header.refcount_table_clusters;
      if (!is_own && !table) INSTAR_TRY(visit(ClusterRun{cluster, 1}, -1));
    }
    return {};
  }));
  ASSERT_TRUE(counts.Finish());
  Header changed = header;
  changed.refcount_table_offset = counts.table_offset();
  changed.refcount_table_clusters = static_cast<std::uint32_t>(counts.table_clusters());
  EXPECT_LE(BlocksOf(changed).size(), 2u);
}

}  // namespace
}  // namespace instar::qcow2
