#include "verbs/check_records.h"

#include <gtest/gtest.h>

#include <string>

#include "instar/abi/call_table.h"
#include "instar/records.h"
#include "support/report_of.h"

namespace instar::vmm {
namespace {

FindingRecord Finding(std::uint32_t kind, std::string_view message) {
  return {.kind = FindingKind{kind}, .text = {.message = message, .numbers = {7, 0x10, 0}}};
}

CheckRecord Counts() {
  CheckRecord counts;
  counts.format = FormatId::kQcow2;
  counts.corruptions = 2;
  counts.leaks = 1;
  counts.total_clusters = 16;
  return counts;
}

class CheckRecordsTest : public ::testing::Test {
 protected:
  template <typename Record>
  bool Accepts(Record record) {
    RecordEncoder encoder;
    Tell(encoder, record);
    return records_.Accept(encoder.bytes()) == RecordVerdict::kAccepted;
  }
  CheckRecords records_;
};

TEST_F(CheckRecordsTest, FindingsAndCountsAreKept) {
  EXPECT_TRUE(Accepts(ReadingRecord{.bytes = 5}));
  EXPECT_TRUE(Accepts(Finding(2, "cluster {0} at {1x}")));
  EXPECT_TRUE(Accepts(Counts()));
  ASSERT_TRUE(records_.Complete());
  const CheckResult result = records_.TakeResult();
  ASSERT_EQ(result.findings.size(), 1u);
  EXPECT_EQ(result.findings[0].kind, CheckFinding::Kind::kLeak);
  EXPECT_EQ(result.findings[0].text, "cluster 7 at 0x10");
  EXPECT_EQ(result.format, FormatId::kQcow2);
  EXPECT_EQ(result.corruptions, 2u);
  EXPECT_EQ(result.total_clusters, 16u);
  EXPECT_FALSE(result.image_end_offset);
}

TEST_F(CheckRecordsTest, WithoutCountsThereIsNoResult) {
  EXPECT_TRUE(Accepts(Finding(1, "x")));
  EXPECT_FALSE(records_.Complete());
}

TEST_F(CheckRecordsTest, KindZeroIsRefused) { EXPECT_FALSE(Accepts(Finding(0, "x"))); }

TEST_F(CheckRecordsTest, AKindThatThereIsNotIsRefused) { EXPECT_FALSE(Accepts(Finding(5, "x"))); }

TEST_F(CheckRecordsTest, AFormatThatThereIsNotIsRefused) {
  CheckRecord odd = Counts();
  odd.format = FormatId{77};
  EXPECT_FALSE(Accepts(odd));
}

TEST_F(CheckRecordsTest, SecondCountsAreRefused) {
  EXPECT_TRUE(Accepts(Counts()));
  EXPECT_FALSE(Accepts(Counts()));
}

TEST_F(CheckRecordsTest, MessagesAreBounded) {
  EXPECT_TRUE(Accepts(Finding(1, std::string(INSTAR_MAX_MESSAGE, 'x'))));
  EXPECT_FALSE(Accepts(Finding(1, std::string(INSTAR_MAX_MESSAGE + 1, 'x'))));
}

TEST_F(CheckRecordsTest, MessagesAreBoundedAlsoOnceTheirNumbersAreInThem) {
  std::string grows;
  while (grows.size() + 4 <= INSTAR_MAX_MESSAGE) grows += "\x01\x01\x01\x01";  // four times as long
  EXPECT_FALSE(Accepts(Finding(1, grows)));
}

TEST_F(CheckRecordsTest, FindingsAreBounded) {
  for (std::size_t i = 0; i < CheckRecords::kMaxFindings; ++i) {
    ASSERT_TRUE(Accepts(Finding(1, "x")));
  }
  EXPECT_FALSE(Accepts(Finding(1, "x")));
}

}  // namespace
}  // namespace instar::vmm
