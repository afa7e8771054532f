#include "verbs/check_report.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "instar/abi/call_table.h"
#include "support/report_of.h"

namespace instar::vmm {
namespace {

ReportTree Finding(std::uint64_t kind, std::string_view message) {
  return ReportOf([&](ReportSink& sink) {
    sink.Unsigned("finding", kind);
    sink.String("message", message);
    sink.Unsigned("n0", 7);
    sink.Unsigned("n1", 0x10);
    sink.Unsigned("n2", 0);
  });
}

ReportTree Counts() {
  return ReportOf([](ReportSink& sink) {
    sink.String("format", "qcow2");
    sink.Unsigned("check-errors", 0);
    sink.Unsigned("corruptions", 2);
    sink.Unsigned("leaks", 1);
    sink.Unsigned("total-clusters", 16);
  });
}

class CheckRecordsTest : public ::testing::Test {
 protected:
  CheckRecords records_{[this](CheckFinding&& finding) { findings_.push_back(finding); }};
  std::vector<CheckFinding> findings_;
};

TEST_F(CheckRecordsTest, FindingsGoOnAndCountsAreKept) {
  EXPECT_TRUE(records_.Accept(ReportOf([](ReportSink& sink) { sink.Unsigned("reading", 5); })));
  EXPECT_TRUE(records_.Accept(Finding(2, "cluster {0} at {1x}")));
  EXPECT_TRUE(records_.Accept(Counts()));
  ASSERT_EQ(findings_.size(), 1u);
  EXPECT_EQ(findings_[0].kind, CheckFinding::Kind::kLeak);
  EXPECT_EQ(findings_[0].text, "cluster 7 at 0x10");
  const auto report = records_.Take();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->corruptions, 2u);
  EXPECT_EQ(report->total_clusters, 16u);
  EXPECT_FALSE(report->image_end_offset);
}

TEST_F(CheckRecordsTest, WithoutCountsThereIsNoReport) {
  EXPECT_TRUE(records_.Accept(Finding(1, "x")));
  EXPECT_FALSE(records_.Take());
}

TEST_F(CheckRecordsTest, WhatNoPlannerReportsIsRefused) {
  EXPECT_FALSE(records_.Accept(Finding(0, "x")));
  EXPECT_FALSE(records_.Accept(Finding(5, "x")));
  EXPECT_FALSE(records_.Accept(ReportOf([](ReportSink& sink) { sink.String("format", "odd"); })));
  EXPECT_TRUE(records_.Accept(Counts()));
  EXPECT_FALSE(records_.Accept(Counts()));
}

TEST_F(CheckRecordsTest, MessagesAreBoundedAlsoOnceTheirNumbersAreInThem) {
  EXPECT_TRUE(records_.Accept(Finding(1, std::string(INSTAR_MAX_MESSAGE, 'x'))));
  EXPECT_FALSE(records_.Accept(Finding(1, std::string(INSTAR_MAX_MESSAGE + 1, 'x'))));
  std::string grows;
  while (grows.size() + 4 <= INSTAR_MAX_MESSAGE) grows += "\x01\x01\x01\x01";  // four times as long
  EXPECT_FALSE(records_.Accept(Finding(1, grows)));
}

TEST_F(CheckRecordsTest, FindingsAreBounded) {
  for (std::size_t i = 0; i < CheckRecords::kMaxFindings; ++i) {
    ASSERT_TRUE(records_.Accept(Finding(1, "x")));
  }
  EXPECT_FALSE(records_.Accept(Finding(1, "x")));
}

TEST(CheckCodec, FindingsSurviveInBatches) {
  std::vector<CheckFinding> decoded;
  int batches = 0;
  FindingEncoder encoder([&](std::span<const std::byte> batch) {
    ++batches;
    return DecodeFindings(batch, decoded);
  });
  for (int i = 0; i < 2000; ++i) {
    EXPECT_TRUE(encoder.Add({.kind = CheckFinding::Kind::kWarning, .text = std::string(100, 'x')}));
  }
  EXPECT_TRUE(encoder.Flush());
  EXPECT_GT(batches, 1);
  ASSERT_EQ(decoded.size(), 2000u);
  EXPECT_EQ(decoded[1999].kind, CheckFinding::Kind::kWarning);
  EXPECT_EQ(decoded[1999].text, std::string(100, 'x'));
}

TEST(CheckCodec, BatchesThatAreNoneAreRefused) {
  std::vector<CheckFinding> findings;
  WireWriter text_only;
  text_only.Text(8, "x");
  EXPECT_FALSE(DecodeFindings(text_only.bytes(), findings));
  WireWriter kind_only;
  kind_only.Unsigned(7, 1);
  EXPECT_FALSE(DecodeFindings(kind_only.bytes(), findings));
  WireWriter unknown_kind;
  unknown_kind.Unsigned(7, 9);
  unknown_kind.Text(8, "x");
  EXPECT_FALSE(DecodeFindings(unknown_kind.bytes(), findings));
  WireWriter long_text;
  long_text.Unsigned(7, 1);
  long_text.Text(8, std::string(CheckRecords::kMaxFindingBytes + 1, 'x'));
  EXPECT_FALSE(DecodeFindings(long_text.bytes(), findings));
  EXPECT_TRUE(findings.empty());
}

TEST(CheckCodec, TheCountsSurvive) {
  CheckResult report;
  report.format = "qcow2";
  report.leaks = 3;
  report.allocated_clusters = 9;
  report.isolation = Isolation::kProcess;
  const auto decoded = DecodeCheckReport(EncodeCheckReport(report));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->format, "qcow2");
  EXPECT_EQ(decoded->leaks, 3u);
  EXPECT_EQ(decoded->allocated_clusters, 9u);
  EXPECT_FALSE(decoded->total_clusters);
  EXPECT_EQ(decoded->isolation, Isolation::kProcess);
}

}  // namespace
}  // namespace instar::vmm
