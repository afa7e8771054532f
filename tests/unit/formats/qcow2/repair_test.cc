// What a repair makes of each kind of damage; what a crash makes of it is tests/crash's.
#include "formats/repair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/base/endian.h"
#include "formats/bitmap.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/structures/refcount_entry.h"
#include "formats/qcow2/structures/snapshot_table.h"
#include "formats/snapshot.h"
#include "support/changed_image.h"
#include "support/checked_image.h"
#include "support/findings.h"
#include "support/thread_workers.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kKi = 1 << 10;
constexpr std::uint64_t kMi = 1 << 20;
constexpr std::uint64_t kFar = std::uint64_t{1} << 40;

class RepairTest : public test::ChangedImage {
 protected:
  [[nodiscard]] std::uint64_t Word(std::uint64_t at) const { return LoadBe64(image.bytes, at); }
  void SetWord(std::uint64_t at, std::uint64_t value) { image.PutBe64(at, value); }
  [[nodiscard]] std::uint64_t L1() const { return header().l1_table_offset; }
  // Where entry `index` of the first L2 table stands, in words of 8 bytes.
  [[nodiscard]] std::uint64_t L2(std::uint64_t index) const {
    return L2TableOffset(Word(L1())) + 8 * index;
  }
  [[nodiscard]] std::uint64_t Table() const { return header().refcount_table_offset; }
  [[nodiscard]] std::span<std::byte> Block() {
    return std::span(image.bytes).subspan(Word(Table()), header().cluster_bytes());
  }
  [[nodiscard]] std::uint64_t Count(std::uint64_t cluster) {
    return LoadRefcount(Block(), cluster, header().refcount_order);
  }
  void SetCount(std::uint64_t cluster, std::uint64_t count) {
    StoreRefcount(Block(), cluster, header().refcount_order, count);
  }
  [[nodiscard]] std::uint64_t ClusterOf(std::uint64_t index) const {
    return HostOffset(Word(L2(index))) >> header().cluster_bits;
  }

  Result<RepairCounts> Repair(RepairMode mode = RepairMode::kAll, bool dry_run = false) {
    findings = {};
    return RepairImage({.format = FormatId::kQcow2,
                        .image = &image,
                        .device = dry_run ? nullptr : &image,
                        .workers = workers,
                        .findings = &findings,
                        .mode = mode});
  }
  // Repairs so much, with nothing left, and the disk reads as before.
  void ExpectRepaired(std::uint64_t corruptions, std::uint64_t leaks,
                      RepairMode mode = RepairMode::kAll) {
    const std::vector<std::byte> shown = Shown();
    const auto dry = Repair(mode, /*dry_run=*/true);
    ASSERT_TRUE(dry) << dry.error().message;
    const auto counts = Repair(mode);
    ASSERT_TRUE(counts) << counts.error().message;
    EXPECT_EQ(counts->corruptions_fixed, corruptions);
    EXPECT_EQ(counts->leaks_fixed, leaks);
    EXPECT_EQ(dry->corruptions_fixed, corruptions);
    EXPECT_EQ(dry->leaks_fixed, leaks);
    EXPECT_EQ(counts->left.corruptions, 0u);
    EXPECT_EQ(counts->left.leaks, 0u);
    ExpectSound({});
    EXPECT_EQ(Shown(), shown);
    EXPECT_EQ(header().incompatible_features & (kIncompatCorrupt | kIncompatDirty), 0u);
  }
  // The kinds of fixes that were told.
  [[nodiscard]] std::vector<FixKind> Fixes() const {
    std::vector<FixKind> kinds;
    for (const Finding& finding : findings.all) kinds.push_back(finding.fix.kind);
    return kinds;
  }
  Status Snapshot(std::string_view name) {
    return CreateSnapshot({.format = FormatId::kQcow2, .device = &image, .name = name});
  }

  test::Findings findings;
  Workers* workers = nullptr;
};

TEST_F(RepairTest, LeavesASoundImageAsItIs) {
  Make(kMi, "", 256 * kKi);
  const std::vector<std::byte> before = image.bytes;
  const auto counts = Repair();
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->left.allocated_clusters, 4u);
  EXPECT_EQ(image.bytes, before);
  EXPECT_EQ(image.writes, 0u);
}

TEST_F(RepairTest, GivesBackLeaks) {
  Make(kMi, "", 256 * kKi);
  const std::uint64_t end = image.bytes.size() >> 16;
  SetCount(end, 1);
  SetCount(end + 1, 3);
  image.bytes.resize((end + 2) << 16);
  SetCount(ClusterOf(1), 2);
  ExpectRepaired(0, 3, RepairMode::kLeaks);
}

TEST_F(RepairTest, LeaksLeavesCorruptionAlone) {
  Make(kMi, "cluster_size=4096", 256 * kKi);
  SetWord(L2(0), Word(L2(0)) + 512);
  SetWord(L2(40), 0);
  const std::uint64_t end = image.bytes.size() >> 12;
  SetCount(end, 1);
  image.bytes.resize((end + 1) << 12);
  const std::uint64_t entry = Word(L2(0));
  const auto counts = Repair(RepairMode::kLeaks);
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->corruptions_fixed, 0u);
  EXPECT_EQ(counts->leaks_fixed, 2u);
  EXPECT_NE(counts->left.corruptions, 0u);
  EXPECT_EQ(Word(L2(0)), entry);
}

TEST_F(RepairTest, LeaksDoesNotTouchWhatIsUsedAndNotCounted) {
  Make(kMi, "", 256 * kKi);
  SetCount(ClusterOf(2), 0);
  SetCount(ClusterOf(1), 2);
  const std::vector<std::byte> before = image.bytes;
  const auto counts = Repair(RepairMode::kLeaks);
  ASSERT_FALSE(counts);
  EXPECT_EQ(counts.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(image.bytes, before);
}

TEST_F(RepairTest, SetsCountsRight) {
  for (const char* options : {"", "refcount_bits=1", "refcount_bits=64", "cluster_size=512"}) {
    Make(kMi, options, 256 * kKi);
    const std::uint64_t cluster = ClusterOf(0);
    SetCount(cluster, 0);
    SetCount(cluster + 1, 0);
    SetCount(0, 0);
    ExpectRepaired(3, 0);
    EXPECT_EQ(Count(0), 1u);
  }
}

TEST_F(RepairTest, SharesOutToWorkers) {
  test::ThreadWorkers threads(3);
  workers = &threads;
  Make(64 * kMi, "cluster_size=4096", 32 * kMi);
  SetCount(ClusterOf(3), 7);
  SetWord(L2(9), Word(L2(9)) ^ kCopied);
  ExpectRepaired(1, 1);
}

TEST_F(RepairTest, MakesTheRefcountTableAnew) {
  for (const std::uint64_t entry : {std::uint64_t{0x10001}, std::uint64_t{0x10200}, kFar}) {
    Make(kMi, "", 256 * kKi);
    SetWord(Table(), entry);
    const auto counts = Repair();
    ASSERT_TRUE(counts) << counts.error().message;
    EXPECT_NE(counts->corruptions_fixed, 0u);
    EXPECT_EQ(Fixes().front(), FixKind::kRebuild);
    ExpectSound({});
    EXPECT_LT(image.bytes.size(), 2 * kMi);
  }
}

TEST_F(RepairTest, MakesARefcountBlockAnewThatIsSharedWithData) {
  Make(kMi, "", 256 * kKi);
  SetWord(L2(1), kCopied | Word(Table()));
  const std::vector<std::byte> shown = Shown();
  const auto counts = Repair();
  ASSERT_TRUE(counts) << counts.error().message;
  ExpectSound({});
  EXPECT_EQ(Shown(), shown);
}

TEST_F(RepairTest, SetsFlags) {
  for (const RepairMode mode : {RepairMode::kLeaks, RepairMode::kAll}) {
    Make(kMi, "", 256 * kKi);
    SetWord(L2(1), Word(L2(1)) ^ kCopied);
    SetWord(L1(), Word(L1()) ^ kCopied);
    ExpectRepaired(2, 0, mode);
    EXPECT_EQ(findings.all.front().fix.kind, FixKind::kCopied);
    EXPECT_EQ(findings.all.front().fix.to, findings.all.front().fix.from ^ kCopied);
  }
}

TEST_F(RepairTest, AFlagIsJudgedByTheCorrectedCount) {
  Make(kMi, "", 256 * kKi);
  SetCount(ClusterOf(1), 2);
  SetWord(L2(1), Word(L2(1)) ^ kCopied);
  // The count is a leak; the flag is right with it, and wrong without. A dry run does not see that.
  const auto counts = Repair();
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->corruptions_fixed, 1u);
  EXPECT_EQ(counts->leaks_fixed, 1u);
  ExpectSound({});
  EXPECT_NE(Word(L2(1)) & kCopied, 0u);
}

TEST_F(RepairTest, ClearsReservedBits) {
  Make(kMi, "", 256 * kKi);
  SetWord(L2(0), Word(L2(0)) | std::uint64_t{1} << 58 | 4);
  SetWord(L1(), Word(L1()) | std::uint64_t{1} << 57);
  ExpectRepaired(2, 0);
  EXPECT_EQ(findings.all.front().fix.kind, FixKind::kEntry);
}

TEST_F(RepairTest, DropsAnUnalignedPlaceThatHoldsNothing) {
  Make(kMi, "", 256 * kKi);
  const std::uint64_t cluster = ClusterOf(1);
  SetWord(L2(1), (Word(L2(1)) + 512) | kReadsZero);
  const auto counts = Repair();
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->corruptions_fixed, 1u);
  EXPECT_EQ(counts->leaks_fixed, 1u);
  EXPECT_EQ(Word(L2(1)), kReadsZero);
  EXPECT_EQ(Count(cluster), 0u);
  ExpectSound({});
}

TEST_F(RepairTest, LeavesAnUnalignedPlaceOfData) {
  Make(kMi, "", 256 * kKi);
  SetWord(L2(1), Word(L2(1)) + 512);
  const std::uint64_t entry = Word(L2(1));
  const auto counts = Repair();
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->left.corruptions, 1u);
  EXPECT_EQ(counts->left.leaks, 0u);
  EXPECT_EQ(Word(L2(1)), entry);
  EXPECT_NE(findings.all.front().fix.reason, nullptr);
  // The neighbour that it reaches into has a place of its own.
  EXPECT_NE(HostOffset(Word(L2(2))), HostOffset(entry) - 512 + 64 * kKi);
}

TEST_F(RepairTest, LeavesWhatIsNotInTheFile) {
  Make(kMi, "", 256 * kKi);
  SetWord(L2(1), kCopied | kFar);
  const auto counts = Repair();
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->left.corruptions, 1u);
  EXPECT_EQ(counts->leaks_fixed, 1u);
  EXPECT_EQ(counts->corruptions_fixed, 1u);  // the flag
  EXPECT_EQ(Word(L2(1)), kFar);
  EXPECT_LT(image.bytes.size(), 2 * kMi);
}

TEST_F(RepairTest, CopiesDataThatIsReferredToTwice) {
  for (const char* options : {"", "refcount_bits=1", "cluster_size=512", "extended_l2=on"}) {
    Make(kMi, options, 256 * kKi);
    const std::uint64_t step = header().extended_l2() ? 2 : 1;
    SetWord(L2(step), Word(L2(0)));
    const std::vector<std::byte> shown = Shown();
    const auto counts = Repair();
    ASSERT_TRUE(counts) << counts.error().message;
    EXPECT_EQ(counts->left.corruptions + counts->left.leaks, 0u) << options;
    EXPECT_NE(HostOffset(Word(L2(0))), HostOffset(Word(L2(step))));
    ExpectSound({});
    EXPECT_EQ(Shown(), shown);
  }
}

TEST_F(RepairTest, CopiesDataThatStandsWhereTablesDo) {
  const auto places = [this] {
    return std::vector<std::uint64_t>{0, L1(), L2(0) / 65536 * 65536, Table()};
  };
  Make(kMi, "", 256 * kKi);
  for (std::size_t i = 1; i < places().size(); ++i) {
    Make(kMi, "", 256 * kKi);
    SetWord(L2(1), kCopied | places()[i]);
    const std::vector<std::byte> shown = Shown();
    const auto counts = Repair();
    ASSERT_TRUE(counts) << counts.error().message;
    EXPECT_EQ(counts->left.corruptions + counts->left.leaks, 0u) << i;
    ExpectSound({});
    EXPECT_EQ(Shown(), shown) << i;
  }
}

TEST_F(RepairTest, CopiesATableThatIsReferredToTwice) {
  Make(64 * kMi, "cluster_size=4096", 4 * kMi);
  SetWord(L1() + 8, Word(L1()));
  const std::vector<std::byte> shown = Shown();
  const auto counts = Repair();
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->left.corruptions + counts->left.leaks, 0u);
  EXPECT_NE(L2TableOffset(Word(L1())), L2TableOffset(Word(L1() + 8)));
  ExpectSound({});
  EXPECT_EQ(Shown(), shown);
}

TEST_F(RepairTest, KeepsWhatSnapshotsShare) {
  Make(kMi, "", 256 * kKi);
  ASSERT_TRUE(Snapshot("one"));
  const std::uint64_t cluster = ClusterOf(1);
  SetCount(cluster, 1);
  ExpectRepaired(1, 0);
  EXPECT_EQ(ClusterOf(1), cluster);
  EXPECT_EQ(Count(cluster), 2u);
}

TEST_F(RepairTest, RepairsTablesOfSnapshots) {
  Make(kMi, "", 256 * kKi);
  ASSERT_TRUE(Snapshot("one"));
  const std::uint64_t l1 = Word(header().snapshots_offset);
  SetWord(l1, Word(l1) | 2);
  const std::uint64_t table = L2TableOffset(Word(l1));
  SetWord(table, Word(table) | std::uint64_t{1} << 57);
  const auto counts = Repair();
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->left.corruptions + counts->left.leaks, 0u);
  ExpectSound({});
  EXPECT_NE(Word(header().snapshots_offset), l1);
}

TEST_F(RepairTest, InventsNoSnapshot) {
  Make(kMi, "", 256 * kKi);
  ASSERT_TRUE(Snapshot("one"));
  Header changed = header();
  changed.snapshot_count = 3;
  SetHeader(changed);
  ExpectRepaired(2, 0);
  EXPECT_EQ(header().snapshot_count, 1u);
}

TEST_F(RepairTest, DropsADamagedBitmapAndNamesIt) {
  Make(kMi, "", 256 * kKi);
  for (const char* name : {"good", "bad"}) {
    ASSERT_TRUE(
        ChangeBitmaps({.format = FormatId::kQcow2,
                       .device = &image,
                       .name = name,
                       .actions = std::vector{BitmapAction{.operation = BitmapOperation::kAdd}}}));
  }
  const std::string_view text(reinterpret_cast<const char*>(image.bytes.data()),
                              image.bytes.size());
  const std::size_t entry = text.find("bad") - 24;
  SetWord(Word(entry), kFar);
  const auto counts = Repair();
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->left.corruptions + counts->left.leaks, 0u);
  EXPECT_EQ(findings.all.front().fix.kind, FixKind::kBitmap);
  ExpectSound({});
  const std::string_view after(reinterpret_cast<const char*>(image.bytes.data()),
                               image.bytes.size());
  EXPECT_NE(after.find("good"), std::string_view::npos);
}

TEST_F(RepairTest, ClearsTheMarksOfASoundImage) {
  Make(kMi, "lazy_refcounts=on", 256 * kKi);
  Header changed = header();
  changed.incompatible_features |= kIncompatCorrupt | kIncompatDirty;
  SetHeader(changed);
  ExpectRepaired(0, 0, RepairMode::kLeaks);
  EXPECT_EQ(findings.Count(FindingKind::kWarning), 1u);
}

TEST_F(RepairTest, KeepsTheMarkWhereSomethingIsLeft) {
  Make(kMi, "", 256 * kKi);
  Header changed = header();
  changed.incompatible_features |= kIncompatCorrupt;
  SetHeader(changed);
  SetWord(L2(1), Word(L2(1)) + 512);
  ASSERT_TRUE(Repair());
  EXPECT_NE(header().incompatible_features & kIncompatCorrupt, 0u);
}

TEST_F(RepairTest, CompressedEntriesGoOnToBeRead) {
  Make(kMi, "", 256 * kKi);
  const std::uint64_t place = HostOffset(Word(L2(1)));
  SetWord(L2(1), kCompressed | kCopied | place);
  const auto counts = Repair();
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->left.corruptions + counts->left.leaks, 0u);
  EXPECT_EQ(Word(L2(1)), kCompressed | place);
}

TEST_F(RepairTest, ADryRunWritesNothing) {
  Make(kMi, "", 256 * kKi);
  SetCount(ClusterOf(1), 0);
  SetWord(L2(2), Word(L2(0)));
  const std::vector<std::byte> before = image.bytes;
  const auto counts = Repair(RepairMode::kAll, /*dry_run=*/true);
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_NE(counts->corruptions_fixed, 0u);
  EXPECT_EQ(image.bytes, before);
}

TEST_F(RepairTest, WithoutRoomNothingChanges) {
  Make(kMi, "", 256 * kKi);
  SetCount(ClusterOf(1), 0);
  image.fixed_length = true;
  image.capacity = image.bytes.size();
  const std::vector<std::byte> before = image.bytes;
  const auto counts = Repair();
  ASSERT_FALSE(counts);
  EXPECT_EQ(counts.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(image.bytes, before);
}

}  // namespace
}  // namespace instar::qcow2
