#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "formats/create.h"
#include "formats/open.h"
#include "formats/qcow2/check/check.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "support/memory_device.h"
#include "support/option_settings.h"

namespace instar::qcow2 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class KeepingSink final : public FindingSink {
 public:
  void Add(const Finding& finding) override { messages.emplace_back(finding.message); }
  void Proceed(std::uint64_t, std::uint64_t) override { ++passes; }
  std::vector<std::string> messages;
  unsigned passes = 0;
};

// An image of the writer's with `clusters` of data, to be damaged.
class CheckerTest : public ::testing::Test {
 protected:
  void Make(std::uint64_t clusters, const char* options = "cluster_size=4k") {
    auto writer = CreateImage({.format = FormatId::kQcow2,
                               .virtual_size_bytes = 4096 * clusters,
                               .options = test::Settings(FormatId::kQcow2, options),
                               .target = &device_});
    ASSERT_TRUE(writer.has_value());
    ASSERT_TRUE((*writer)->Begin().has_value());
    for (std::uint64_t at = 0; at < 4096 * clusters;) {
      const auto place = (*writer)->PlaceData(at, 4096 * clusters - at);
      ASSERT_TRUE(place.has_value());
      device_.Fill(place->file_offset, place->length_bytes, 7);
      at += place->length_bytes;
    }
    ASSERT_TRUE((*writer)->Finish().has_value());
    l1_ = LoadBe64(device_.bytes, 40);
    l2_ = L2TableOffset(LoadBe64(device_.bytes, l1_));
    refcounts_ = LoadBe64(device_.bytes, LoadBe64(device_.bytes, 48));
  }
  static constexpr std::uint64_t kOneWindow = CheckPortions().window_clusters;
  CheckCounts Run(std::uint64_t window = kOneWindow) {
    sink_.messages.clear();
    sink_.passes = 0;
    const auto reader = OpenImage(device_, FormatId::kQcow2);
    EXPECT_TRUE(reader.has_value());
    if (!reader) return {};
    const auto counts = Check({.device = &device_, .reader = reader->get(), .findings = &sink_},
                              {.window_clusters = window});
    EXPECT_TRUE(counts.has_value()) << (counts ? "" : counts.error().message);
    return counts.value_or(CheckCounts{});
  }
  [[nodiscard]] std::uint64_t Entry(std::uint64_t index) const {
    return LoadBe64(device_.bytes, l2_ + 8 * index);
  }
  void PutEntry(std::uint64_t index, std::uint64_t entry) {
    device_.PutBe64(l2_ + 8 * index, entry);
  }

  test::MemoryDevice device_;
  KeepingSink sink_;
  std::uint64_t l1_ = 0;
  std::uint64_t l2_ = 0;
  std::uint64_t refcounts_ = 0;
};

TEST_F(CheckerTest, ASoundImageHasNothingToTell) {
  Make(100);
  const CheckCounts counts = Run();
  EXPECT_THAT(sink_.messages, IsEmpty());
  EXPECT_EQ(counts.corruptions + counts.leaks + counts.check_errors, 0u);
  EXPECT_EQ(counts.total_clusters, 100u);
  EXPECT_EQ(counts.allocated_clusters, 100u);
  EXPECT_EQ(counts.fragmented_clusters, 0u);
  EXPECT_EQ(counts.compressed_clusters, 0u);
  EXPECT_EQ(counts.image_end_offset, (device_.bytes.size() + 4095) / 4096 * 4096);
}

TEST_F(CheckerTest, ARefcountThatIsTooHighIsALeakAndContradictsCopied) {
  Make(100);
  device_.PutBe16(refcounts_ + 2 * (HostOffset(Entry(5)) / 4096), 3);
  const CheckCounts counts = Run();
  EXPECT_EQ(counts.leaks, 1u);
  EXPECT_EQ(counts.corruptions, 1u);
}

TEST_F(CheckerTest, ARefcountThatIsTooLowIsACorruption) {
  Make(100);
  PutEntry(6, Entry(5));
  const CheckCounts counts = Run();
  EXPECT_EQ(counts.leaks, 1u) << "the cluster that entry 6 named";
  EXPECT_EQ(counts.corruptions, 1u) << "the cluster that both name";
}

TEST_F(CheckerTest, AnEntryBeyondTheEndIsToldOnceWhateverTheWindows) {
  Make(1000);
  PutEntry(5, kCopied | std::uint64_t{1} << 40);
  for (const std::uint64_t window : {std::uint64_t{64}, kOneWindow}) {
    const CheckCounts counts = Run(window);
    EXPECT_EQ(counts.corruptions, 2u) << window;
    EXPECT_EQ(counts.leaks, 1u) << window;
  }
}

TEST_F(CheckerTest, CountsDoNotDependOnTheWindows) {
  Make(1000);
  PutEntry(3, Entry(900 % 512));
  PutEntry(4, Entry(7) + 512);
  PutEntry(5, 0);
  PutEntry(6, Entry(6) & ~kCopied);
  PutEntry(8, kCopied | l1_);
  PutEntry(9, kCompressed | HostOffset(Entry(100)));
  const CheckCounts whole = Run();
  EXPECT_GT(whole.corruptions, 4u);
  for (const std::uint64_t window : {64, 65, 100, 1000, 1020}) {
    const CheckCounts parts = Run(window);
    EXPECT_EQ(parts.corruptions, whole.corruptions) << window;
    EXPECT_EQ(parts.leaks, whole.leaks) << window;
    EXPECT_EQ(parts.image_end_offset, whole.image_end_offset) << window;
    EXPECT_EQ(parts.allocated_clusters, whole.allocated_clusters) << window;
    EXPECT_EQ(parts.fragmented_clusters, whole.fragmented_clusters) << window;
  }
}

TEST_F(CheckerTest, OnlyWindowsThatHoldSomethingArePassedThrough) {
  constexpr std::uint64_t kMiB = 1 << 20;
  Make(100);
  device_.bytes.resize(64 * kMiB);
  const CheckCounts nothing = Run(64);
  EXPECT_EQ(nothing.corruptions + nothing.leaks, 0u);
  EXPECT_LE(sink_.passes, 32u) << "those that the one block of refcounts tells of, of 256";

  PutEntry(5, kCopied | 62 * kMiB);                                 // without a refcount
  device_.PutBe64(LoadBe64(device_.bytes, 48) + 8 * 6, 52 * kMiB);  // of 48 to 56 MiB
  device_.PutBe16(52 * kMiB + 2 * (4 * kMiB / 4096), 1);            // itself
  device_.PutBe16(52 * kMiB + 2 * 7, 1);                            // a lost one
  PutEntry(7, kCopied | 64 * kMiB);                                 // one behind the end
  const CheckCounts whole = Run();
  EXPECT_EQ(whole.leaks, 3u) << "those of entries 5 and 7, and the lost one";
  const CheckCounts parts = Run(64);
  EXPECT_EQ(parts.corruptions, whole.corruptions);
  EXPECT_EQ(parts.leaks, whole.leaks);
  EXPECT_EQ(parts.image_end_offset, whole.image_end_offset);
  EXPECT_LE(sink_.passes, 66u) << "32 for each block, and one or two";
}

TEST_F(CheckerTest, AOneBitRefcountCannotCountASecondReference) {
  Make(100, "cluster_size=4k,refcount_bits=1");
  PutEntry(6, Entry(5));
  Run();
  EXPECT_THAT(sink_.messages, ElementsAre(HasSubstr("more references than a refcount can hold"),
                                          HasSubstr("but only")));
}

TEST_F(CheckerTest, AMisplacedRefcountBlockLeavesItsClustersUnchecked) {
  Make(100);
  const std::uint64_t table = LoadBe64(device_.bytes, 48);
  constexpr std::uint64_t kNoFile = std::uint64_t{1} << 63;
  for (const std::uint64_t place : {refcounts_ + 512, refcounts_ | kNoFile}) {
    device_.PutBe64(table, place);
    const CheckCounts counts = Run();
    EXPECT_EQ(counts.corruptions, 1u);
    EXPECT_EQ(counts.check_errors, (device_.bytes.size() + 4095) / 4096);
  }
}

TEST_F(CheckerTest, AFailingReadIsAnError) {
  Make(100);
  const auto reader = OpenImage(device_, FormatId::kQcow2);
  ASSERT_TRUE(reader.has_value());
  device_.fail_reads_from = l2_;
  const auto counts = Check({.device = &device_, .reader = reader->get(), .findings = &sink_});
  ASSERT_FALSE(counts.has_value());
  EXPECT_EQ(counts.error().code, ErrorCode::kIo);
}

TEST_F(CheckerTest, NeighbouringTablesAreReadTogether) {
  Make(512 * 20);
  device_.reads = 0;
  const CheckCounts counts = Run();
  EXPECT_EQ(counts.allocated_clusters, 512u * 20);
  EXPECT_LT(device_.reads, 60u);
}

}  // namespace
}  // namespace instar::qcow2
