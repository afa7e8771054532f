#include "formats/base/block_overlap_check.h"

#include <gtest/gtest.h>

#include "support/findings.h"

namespace instar::test {
namespace {

// Tells all blocks until the audit has seen enough; how many passes that took.
int Tell(BlockOverlapCheck& audit, const std::vector<std::uint64_t>& offsets, std::uint64_t bytes) {
  for (int passes = 1;; ++passes) {
    for (const std::uint64_t offset : offsets) audit.Add(offset, bytes);
    if (!audit.EndPass()) return passes;
    if (passes == 1000) return passes;
  }
}

TEST(BlockOverlapCheck, SeesWhichBlocksOverlap) {
  Findings findings;
  BlockOverlapCheck audit(100, findings, "overlap");
  EXPECT_EQ(Tell(audit, {300, 100, 250, 400}, 100), 1);
  EXPECT_EQ(audit.overlaps(), 1U);
  ASSERT_EQ(findings.all.size(), 1U);
  EXPECT_EQ(findings.all[0].numbers[0], 300U);
  EXPECT_EQ(findings.all[0].numbers[1], 250U);
  EXPECT_EQ(audit.used_end(), 500U);
}

TEST(BlockOverlapCheck, CountsTheBlocksThatFitIntoGaps) {
  Findings findings;
  BlockOverlapCheck audit(0, findings, "overlap");
  audit.set_leak_bytes(100);
  Tell(audit, {199, 500}, 100);
  EXPECT_EQ(audit.UnusedBlocks(600), 1U + 2U);
  EXPECT_EQ(audit.UnusedBlocks(850), 1U + 2U + 2U);
}

TEST(BlockOverlapCheck, FindsTheSameInManyPassesAsInOne) {
  std::vector<std::uint64_t> offsets;
  for (std::uint64_t i = 0; i < 1000; ++i) offsets.push_back(i * 7919 % 1000 * 100);
  for (const std::uint64_t extra : {5000U, 5050U, 99'950U, 70'000U}) offsets.push_back(extra);
  for (int i = 0; i < 20; ++i) offsets.push_back(30'000);
  Findings one_pass;
  BlockOverlapCheck large(0, one_pass, "overlap");
  EXPECT_EQ(Tell(large, offsets, 100), 1);
  for (const std::size_t kept : {3U, 16U, 100U, 1023U}) {
    Findings findings;
    BlockOverlapCheck small(0, findings, "overlap", kept);
    EXPECT_GT(Tell(small, offsets, 100), 1) << kept;
    // Of blocks at one place more than fit, each is reported, but some only once.
    EXPECT_LE(small.overlaps(), large.overlaps()) << kept;
    EXPECT_GE(small.overlaps(), kept < 21 ? 6U : large.overlaps()) << kept;
    EXPECT_EQ(small.used_end(), large.used_end());
  }
}

}  // namespace
}  // namespace instar::test
