#include "report/record_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "broker/created_file.h"
#include "instar/records.h"
#include "instar/vmm/timing.h"
#include "report/one_record.h"
#include "support/report_of.h"

namespace instar::vmm {
namespace {

using std::chrono::nanoseconds;
using ::testing::ElementsAre;

// What a child or a guest would send of `record`, read again.
template <typename Record>
std::optional<Record> Reread(Record record) {
  const auto objects = ReportsOf([&](ReportSink& sink) { Tell(sink, record); });
  Record read;
  if (objects.size() != 1 || !ReadRecord(objects.front(), read)) return std::nullopt;
  return read;
}

TEST(RecordReader, EveryKindOfFieldSurvives) {
  const auto convert =
      Reread(ConvertRecord{.beyond_end = true,
                           .unfit_footers = {3, 0},
                           .salvage = SalvageRecord{.ranges = 1, .bytes = 512, .first_offset = 7}});
  ASSERT_TRUE(convert);
  EXPECT_TRUE(convert->beyond_end);
  EXPECT_THAT(convert->unfit_footers, ElementsAre(3, 0));
  ASSERT_TRUE(convert->salvage);
  EXPECT_EQ(convert->salvage->first_offset, 7u);

  CheckRecord check;
  check.format = FormatId::kVmdk;
  check.leaks = std::uint64_t{1} << 63;
  check.allocated_clusters = 9;
  const auto counts = Reread(check);
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->format, FormatId::kVmdk);
  EXPECT_EQ(counts->leaks, std::uint64_t{1} << 63);
  EXPECT_EQ(counts->allocated_clusters, 9u);
  EXPECT_FALSE(counts->total_clusters);
  EXPECT_TRUE(counts->supported);
}

TEST(RecordReader, ListsOfObjectsSurvive) {
  RecordEncoder records;
  Tell(records, StrictRecord{.reasons = {{.code = ReasonCode::kPolyglot,
                                          .offset = 5,
                                          .text = {.message = "m\n", .numbers = {1, 2, 3}}}}});
  OneRecord<StrictRecord> told;
  ASSERT_EQ(told.Accept(records.bytes()), RecordVerdict::kAccepted);
  ASSERT_TRUE(told.Complete());
  ASSERT_EQ(told.record().reasons.size(), 1u);
  EXPECT_EQ(told.record().reasons[0].code, ReasonCode::kPolyglot);
  EXPECT_EQ(told.record().reasons[0].text.message, "m\n");
  EXPECT_THAT(told.record().reasons[0].text.numbers, ElementsAre(1, 2, 3));
}

TEST(RecordReader, ATimingKeepsEveryNumber) {
  Timing timing;
  timing.phases.back() = nanoseconds(5);
  timing.requests[3] = {.count = 1, .bytes = 2, .time = nanoseconds(3)};
  timing.vcpu_time = nanoseconds(7);
  const auto other = Reread(timing);
  ASSERT_TRUE(other);
  EXPECT_EQ(other->phases, timing.phases);
  EXPECT_EQ(other->requests[3].count, 1u);
  EXPECT_EQ(other->requests[3].bytes, 2u);
  EXPECT_EQ(other->requests[3].time, nanoseconds(3));
  EXPECT_EQ(other->vcpu_time, nanoseconds(7));
}

TEST(RecordReader, ACreatedFileSurvives) {
  const auto file = Reread(CreatedFile{.path = "/a/\xff", .device = 7, .inode = 9});
  ASSERT_TRUE(file);
  EXPECT_EQ(file->path, "/a/\xff");
  EXPECT_EQ(file->device, 7u);
  EXPECT_EQ(file->inode, 9u);
}

// Whether `tell(sink)` tells the members of a MeasureRecord.
template <typename Tell>
bool IsMeasurement(const Tell& tell) {
  MeasureRecord record;
  return ReadRecord(ReportOf(tell), record);
}

TEST(RecordReader, AFieldThatLacksIsRefused) {
  EXPECT_TRUE(IsMeasurement([](ReportSink& sink) {
    sink.Unsigned("required", 1);
    sink.Unsigned("fully-allocated", 1);
  }));
  EXPECT_FALSE(IsMeasurement([](ReportSink& sink) { sink.Unsigned("required", 1); }));
}

TEST(RecordReader, AFieldThatThereIsNotIsRefused) {
  EXPECT_FALSE(IsMeasurement([](ReportSink& sink) {
    sink.Unsigned("required", 1);
    sink.Unsigned("fully-allocated", 1);
    sink.Unsigned("device", 0);
  }));
}

TEST(RecordReader, AFieldOfAnotherKindIsRefused) {
  EXPECT_FALSE(IsMeasurement([](ReportSink& sink) {
    sink.Signed("required", 1);
    sink.Unsigned("fully-allocated", 1);
  }));
  EXPECT_FALSE(IsMeasurement([](ReportSink& sink) {
    sink.Unsigned("required", 1);
    sink.Unsigned("fully-allocated", 1);
    sink.Unsigned("unfit-footer", 1);
  }));
}

TEST(RecordReader, ANumberThatIsNoneOfAnEnumerationIsRefused) {
  CompareRecord record;
  for (const std::uint64_t verdict :
       {std::uint64_t{6}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
    EXPECT_FALSE(ReadRecord(ReportOf([verdict](ReportSink& sink) {
                              sink.Unsigned("first-size", 1);
                              sink.Unsigned("second-size", 1);
                              sink.Unsigned("verdict", verdict);
                              sink.Unsigned("offset", 1);
                            }),
                            record))
        << verdict;
  }
}

TEST(RecordReader, AnArrayOfAnotherLengthIsRefused) {
  Timing timing;
  EXPECT_FALSE(ReadRecord(ReportOf([](ReportSink& sink) {
                            sink.BeginArray("phases");
                            sink.Unsigned({}, 1);
                            sink.EndArray();
                          }),
                          timing));
}

TEST(OneRecord, TwoObjectsAreRefused) {
  RecordEncoder records;
  Tell(records, CreateRecord{.virtual_size = 1});
  OneRecord<CreateRecord> told;
  ASSERT_EQ(told.Accept(records.bytes()), RecordVerdict::kAccepted);
  ASSERT_EQ(told.Accept(records.bytes()), RecordVerdict::kAccepted);
  EXPECT_FALSE(told.Complete());
}

TEST(OneRecord, NothingIsEnoughOnlyWhereItIsOptional) {
  OneRecord<CreateRecord> wanted;
  EXPECT_FALSE(wanted.Complete());
  OneRecord<ConvertRecord> optional(/*optional=*/true);
  EXPECT_TRUE(optional.Complete());
}

TEST(OneRecord, WhatBreaksOffIsRefused) {
  RecordEncoder records;
  Tell(records, CreateRecord{.virtual_size = 1});
  for (std::size_t length = 0; length < records.bytes().size(); length += 8) {
    OneRecord<CreateRecord> told;
    (void)told.Accept(records.bytes().first(length));
    EXPECT_FALSE(told.Complete()) << length;
  }
}

TEST(OneRecord, MoreThanAnyResultIsRefused) {
  RecordEncoder records;
  StrictRecord record;
  record.reasons.resize(2000, {.code = ReasonCode::kCorrupt, .offset = 0, .text = {}});
  Tell(records, record);
  OneRecord<StrictRecord> told;
  ASSERT_EQ(told.Accept(records.bytes()), RecordVerdict::kAccepted);
  EXPECT_FALSE(told.Complete());
}

}  // namespace
}  // namespace instar::vmm
