// What the broker does for an honest guest.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "instar/records.h"
#include "libinstar-vmm/broker/fake_guest.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

class BrokerRequests : public testing::Test {
 protected:
  DeviceId Source(std::string_view content) {
    return broker_.OpenSource(directory_.Write("source", content), {}).value();
  }
  DeviceId Target(CacheMode cache = CacheMode::kUnsafe) {
    return broker_.OpenTarget(directory_ / "target", {.cache = cache}).value();
  }
  std::string TargetContent() { return ReadWholeFile(directory_ / "target"); }
  static instar_transfer Step(std::uint32_t kind, DeviceId source, DeviceId target,
                              std::uint64_t from, std::uint64_t to, std::uint64_t length,
                              std::uint32_t unit = 0) {
    return {.kind = kind,
            .source = static_cast<std::uint32_t>(source),
            .target = static_cast<std::uint32_t>(target),
            .zero_run_bytes = unit,
            .source_offset = from,
            .target_offset = to,
            .length = length};
  }
  static instar_range Range(DeviceId device, std::uint64_t offset, std::uint64_t length) {
    return {.device = static_cast<std::uint32_t>(device),
            .reserved = 0,
            .offset = offset,
            .length = length};
  }

  TemporaryDirectory directory_;
  Broker broker_{{}};
  FakeGuest guest_{broker_};
};

TEST_F(BrokerRequests, ReadBeyondTheEndGivesZeros) {
  const DeviceId source = Source("abc");
  std::string text;
  ASSERT_EQ(guest_.Read(source, 1, 4, &text).result, 0);
  EXPECT_EQ(text, std::string("bc\0\0", 4));
  ASSERT_EQ(guest_.Read(source, 1'000'000, 2, &text).result, 0);
  EXPECT_EQ(text, std::string("\0\0", 2));
}

TEST_F(BrokerRequests, AVectoredReadScattersAndGathers) {
  const DeviceId source = Source("0123456789");
  const std::uint64_t a = guest_.Allocate(8);
  const std::uint64_t b = guest_.Allocate(8);
  const std::uint64_t c = guest_.Allocate(8);
  // The first two continue each other; an empty one stands between.
  ASSERT_EQ(
      guest_
          .Io(INSTAR_OP_READ, {FakeGuest::Entry(source, 0, 0, 0), FakeGuest::Entry(source, 2, a, 3),
                               FakeGuest::Entry(source, 5, 0, 0), FakeGuest::Entry(source, 5, b, 2),
                               FakeGuest::Entry(source, 8, c, 4)})
          .result,
      0);
  EXPECT_EQ(guest_.GetText(a, 3), "234");
  EXPECT_EQ(guest_.GetText(b, 2), "56");
  EXPECT_EQ(guest_.GetText(c, 4), std::string("89\0\0", 4));
}

TEST_F(BrokerRequests, AVectoredWriteGathers) {
  const DeviceId target = Target();
  ASSERT_EQ(guest_
                .Io(INSTAR_OP_WRITE, {FakeGuest::Entry(target, 0, guest_.Put("ab"), 2),
                                      FakeGuest::Entry(target, 2, guest_.Put("cd"), 2),
                                      FakeGuest::Entry(target, 6, guest_.Put("gh"), 2),
                                      FakeGuest::Entry(target, 9, 0, 0)})
                .result,
            0);
  EXPECT_EQ(TargetContent(), std::string("abcd\0\0gh", 8));
}

TEST_F(BrokerRequests, AListOfNothingIsDone) {
  EXPECT_EQ(guest_.Io(INSTAR_OP_READ, {}).result, 0);
  EXPECT_EQ(guest_.Io(INSTAR_OP_WRITE, {}).result, 0);
  EXPECT_EQ(guest_.Transfer({}).result, 0);
  EXPECT_EQ(guest_.Emit({}).result, 0);
  EXPECT_EQ(broker_.violation(), nullptr);
}

TEST_F(BrokerRequests, ResizeGrowsAndShrinks) {
  const DeviceId target = Target();
  ASSERT_EQ(guest_.Resize(target, 1 << 20).result, 0);
  EXPECT_EQ(broker_.device(target).size_bytes, 1u << 20);
  EXPECT_EQ(broker_.device(target).allocated_bytes, 0u);
  ASSERT_EQ(guest_.Resize(target, 3).result, 0);
  EXPECT_EQ(broker_.device(target).size_bytes, 3u);
}

TEST_F(BrokerRequests, PreallocationTakesStorage) {
  const DeviceId target = Target();
  for (const Preallocation mode : {Preallocation::kFalloc, Preallocation::kFull}) {
    ASSERT_EQ(guest_.Resize(target, 0).result, 0);
    ASSERT_EQ(guest_.Resize(target, 1 << 20, mode).result, 0);
    EXPECT_GE(broker_.device(target).allocated_bytes, 1u << 20);
    EXPECT_EQ(TargetContent(), std::string(1 << 20, '\0'));
  }
}

TEST_F(BrokerRequests, CopyMovesBytesWithinAndBeyondTheSource) {
  const DeviceId source = Source("0123456789");
  const DeviceId target = Target();
  ASSERT_EQ(guest_.Transfer({Step(INSTAR_TRANSFER_COPY, source, target, 4, 2, 8)}).result, 0);
  EXPECT_EQ(TargetContent(), std::string("\0\0"
                                         "456789\0\0",
                                         10));
}

TEST_F(BrokerRequests, AdjacentStepsGiveWhatTheyGiveOneByOne) {
  const DeviceId source = Source("0123456789");
  const DeviceId target = Target();
  ASSERT_EQ(guest_
                .Transfer({Step(INSTAR_TRANSFER_COPY, source, target, 0, 0, 2),
                           Step(INSTAR_TRANSFER_COPY, source, target, 2, 2, 2),
                           Step(INSTAR_TRANSFER_COPY, source, target, 6, 4, 2),
                           Step(INSTAR_TRANSFER_COPY, source, target, 8, 8, 2),
                           Step(INSTAR_TRANSFER_ZERO, source, target, 0, 1, 1),
                           Step(INSTAR_TRANSFER_ZERO, source, target, 0, 2, 1)})
                .result,
            0);
  EXPECT_EQ(TargetContent(), std::string("0\0\0"
                                         "367\0\0"
                                         "89",
                                         10));
}

TEST_F(BrokerRequests, SparseCopyLeavesHolesForZeros) {
  std::string content(1 << 20, '\0');
  content.replace(300'000, 4, "data");
  const DeviceId source = Source(content);
  const DeviceId target = Target();
  ASSERT_EQ(guest_.Resize(target, content.size()).result, 0);
  ASSERT_EQ(
      guest_
          .Transfer({Step(INSTAR_TRANSFER_COPY_SPARSE, source, target, 0, 0, content.size(), 4096)})
          .result,
      0);
  EXPECT_EQ(TargetContent(), content);
  EXPECT_LE(broker_.device(target).allocated_bytes, 16'384u);
}

TEST_F(BrokerRequests, ZeroClearsAndExtends) {
  const DeviceId target = Target();
  ASSERT_EQ(guest_.Write(target, 0, std::string(10'000, 'x')).result, 0);
  ASSERT_EQ(guest_.Transfer({Step(INSTAR_TRANSFER_ZERO, target, target, 0, 100, 5'000)}).result, 0);
  ASSERT_EQ(guest_.Transfer({Step(INSTAR_TRANSFER_ZERO, target, target, 0, 9'000, 5'000)}).result,
            0);
  EXPECT_EQ(TargetContent(), std::string(100, 'x') + std::string(5'000, '\0') +
                                 std::string(3'900, 'x') + std::string(5'000, '\0'));
}

TEST_F(BrokerRequests, DiscardGivesStorageBack) {
  const DeviceId target = Target();
  ASSERT_EQ(guest_.Write(target, 0, std::string(1 << 20, 'x')).result, 0);
  ASSERT_EQ(guest_.Transfer({Step(INSTAR_TRANSFER_DISCARD, target, target, 0, 0, 1 << 20)}).result,
            0);
  EXPECT_LT(broker_.device(target).allocated_bytes, 1u << 20);
}

TEST_F(BrokerRequests, ScanTellsZeroUnitsRangeAfterRange) {
  std::string content(4096 * 5 + 100, '\0');
  content[4096] = 'x';
  content[4096 * 3 - 1] = 'x';
  const DeviceId source = Source(content);
  std::vector<std::uint64_t> bitmap(2, ~std::uint64_t{0});
  ASSERT_EQ(guest_
                .ScanZero({Range(source, 0, content.size()), Range(source, 4096, 4096),
                           Range(source, 1 << 30, 8192)},
                          4096, &bitmap)
                .result,
            0);
  EXPECT_EQ(bitmap[0], 0b11'0'111001u);
}

TEST_F(BrokerRequests, ACopyAfterAScanGetsTheSameBytes) {
  std::string content(6 << 20, '\0');
  for (std::size_t i = 0; i < content.size(); i += 70'000)
    content[i] = static_cast<char>('a' + i % 26);
  const DeviceId source = Source(content);
  const DeviceId target = Target();
  std::vector<std::uint64_t> bitmap(32);
  ASSERT_EQ(guest_.ScanZero({Range(source, 1 << 20, 4 << 20)}, 4096, &bitmap).result, 0);
  ASSERT_EQ(
      guest_.Transfer({Step(INSTAR_TRANSFER_COPY, source, target, 100, 100, content.size() - 100)})
          .result,
      0);
  EXPECT_EQ(TargetContent().substr(100), content.substr(100));
}

TEST_F(BrokerRequests, AScannedStretchIsNotReadTwice) {
  const DeviceId source = Source(std::string(1 << 20, 'a'));
  const DeviceId target = Target();
  std::vector<std::uint64_t> bitmap(4);
  ASSERT_EQ(guest_.ScanZero({Range(source, 0, 1 << 20)}, 4096, &bitmap).result, 0);
  // A change of the file after the scan shows where the copy takes its bytes from.
  directory_.Write("source", std::string(1 << 20, 'b'));
  ASSERT_EQ(guest_.Transfer({Step(INSTAR_TRANSFER_COPY, source, target, 0, 0, 1 << 20)}).result, 0);
  EXPECT_EQ(TargetContent(), std::string(1 << 20, 'a'));
}

TEST_F(BrokerRequests, WhatIsScannedOfATargetIsReadAgain) {
  const DeviceId target = Target();
  ASSERT_EQ(guest_.Write(target, 0, std::string(8192, 'a')).result, 0);
  std::vector<std::uint64_t> bitmap(1);
  ASSERT_EQ(guest_.ScanZero({Range(target, 0, 4096)}, 4096, &bitmap).result, 0);
  ASSERT_EQ(guest_.Write(target, 0, std::string(4096, 'b')).result, 0);
  ASSERT_EQ(guest_.Transfer({Step(INSTAR_TRANSFER_COPY, target, target, 0, 4096, 4096)}).result, 0);
  EXPECT_EQ(TargetContent(), std::string(8192, 'b'));
}

TEST_F(BrokerRequests, NextRunsTellDataFromHoles) {
  constexpr std::uint64_t kMiB = 1 << 20;
  const DeviceId target = Target();
  ASSERT_EQ(guest_.Resize(target, 3 * kMiB).result, 0);
  ASSERT_EQ(guest_.Write(target, kMiB, std::string(kMiB, 'x')).result, 0);
  const auto runs = [&](std::uint64_t offset, std::uint64_t max_length, std::size_t capacity,
                        std::uint64_t unit = 1) {
    std::vector<instar_run> list(capacity);
    const CallResult told = guest_.NextRuns(target, offset, max_length, list, unit);
    EXPECT_GE(told.result, 1);
    std::vector<std::pair<bool, std::uint64_t>> found;
    for (std::int64_t i = 0; i < told.result; ++i) {
      const instar_run& run = list.at(static_cast<std::size_t>(i));
      found.emplace_back(run.hole != 0, run.length);
    }
    return found;
  };
  using Runs = std::vector<std::pair<bool, std::uint64_t>>;
  EXPECT_EQ(runs(0, ~std::uint64_t{0}, 1), (Runs{{true, kMiB}}));
  EXPECT_EQ(runs(kMiB, ~std::uint64_t{0}, 1), (Runs{{false, kMiB}}));
  EXPECT_EQ(runs(kMiB, 4096, 1), (Runs{{false, 4096}}));
  EXPECT_EQ(runs(4 * kMiB, 100, 1), (Runs{{true, 100}}));
  EXPECT_EQ(runs(4096, 3 * kMiB - 4096, 10),
            (Runs{{true, kMiB - 4096}, {false, kMiB}, {true, kMiB}}));
  EXPECT_EQ(runs(0, 3 * kMiB, 2), (Runs{{true, kMiB}, {false, kMiB}}));
  EXPECT_EQ(runs(0, kMiB + 4096, 10), (Runs{{true, kMiB}, {false, 4096}}));

  // Not much more data at a time than 64 MiB.
  ASSERT_EQ(guest_.Resize(target, 100 * kMiB).result, 0);
  std::vector<instar_transfer> copies;
  for (std::uint64_t i = 10; i < 80; ++i) {
    copies.push_back(Step(INSTAR_TRANSFER_COPY, target, target, kMiB, i * kMiB, kMiB));
  }
  ASSERT_EQ(guest_.Transfer(copies).result, 0);
  EXPECT_EQ(runs(2 * kMiB, 98 * kMiB, 10), (Runs{{true, 8 * kMiB}, {false, 70 * kMiB}}));
  EXPECT_EQ(runs(20 * kMiB, 80 * kMiB, 10), (Runs{{false, 60 * kMiB}, {true, 20 * kMiB}}));

  // In units of the file; holes before the data of a unit are told.
  constexpr std::uint64_t kUnit = 65536;
  ASSERT_EQ(guest_.Write(target, 2 * kMiB + 8192, std::string(4096, 'x')).result, 0);
  ASSERT_EQ(guest_.Write(target, 2 * kMiB + 32768, std::string(4096, 'x')).result, 0);
  ASSERT_EQ(guest_.Write(target, 2 * kMiB + kUnit, std::string(4096, 'x')).result, 0);
  EXPECT_EQ(runs(2 * kMiB, kMiB, 10), (Runs{{true, 8192},
                                            {false, 4096},
                                            {true, 20480},
                                            {false, 4096},
                                            {true, 28672},
                                            {false, 4096},
                                            {true, kMiB - kUnit - 4096}}));
  EXPECT_EQ(runs(2 * kMiB, kMiB, 10, kUnit),
            (Runs{{true, 8192}, {false, 2 * kUnit - 8192}, {true, kMiB - 2 * kUnit}}));
  EXPECT_EQ(runs(2 * kMiB + 4096, 2 * kUnit - 8192, 10, kUnit),
            (Runs{{true, 4096}, {false, 2 * kUnit - 12288}}));
  EXPECT_EQ(runs(2 * kMiB + 32768, kUnit, 10, 4 * kMiB), (Runs{{false, kUnit}}));
  EXPECT_EQ(runs(kMiB, 2 * kMiB, 1, std::uint64_t{1} << 63), (Runs{{false, 2 * kMiB}}));
}

TEST_F(BrokerRequests, NoRunsAndTooManyAreRefused) {
  const DeviceId target = Target();
  ASSERT_EQ(guest_.Resize(target, 1 << 20).result, 0);
  std::vector<instar_run> most(INSTAR_MAX_RUNS);
  EXPECT_EQ(guest_.NextRuns(target, 0, 1 << 20, most).result, 1);
  std::vector<instar_run> more(INSTAR_MAX_RUNS + 1);
  EXPECT_LT(guest_.NextRuns(target, 0, 1 << 20, more).result, 0);
  EXPECT_LT(guest_.NextRuns(target, 0, 1 << 20, {}).result, 0);
}

TEST_F(BrokerRequests, CompareFindsTheFirstDifference) {
  std::string content(1 << 20, 'a');
  const DeviceId a = Source(content);
  content[700'001] = 'b';
  const DeviceId b = broker_.OpenSource(directory_.Write("other", content), {}).value();
  const CallResult different = guest_.Compare(Range(a, 1, 1 << 19), Range(b, 200'001, 1 << 19));
  EXPECT_EQ(different.result, 1);
  EXPECT_EQ(different.value, 500'000u);
  EXPECT_EQ(guest_.Compare(Range(a, 0, 700'001), Range(b, 0, 700'001)).result, 0);
}

TEST_F(BrokerRequests, CompareTakesWhatIsBeyondTheEndForZeros) {
  const DeviceId a = Source(std::string("x\0\0", 3));
  const DeviceId b = broker_.OpenSource(directory_.Write("other", "x"), {}).value();
  EXPECT_EQ(guest_.Compare(Range(a, 0, 1 << 30), Range(b, 0, 1 << 30)).result, 0);
  EXPECT_EQ(guest_.Compare(Range(a, 0, 2), Range(b, 1, 2)).result, 1);
}

TEST_F(BrokerRequests, ReportsComeOutAsEmitted) {
  WireWriter writer;
  writer.Bytes(static_cast<std::uint32_t>(ReportTag::kBeginObject), {});
  writer.Text(static_cast<std::uint32_t>(ReportTag::kKey), "format");
  writer.Text(static_cast<std::uint32_t>(ReportTag::kString), "qcow2");
  ASSERT_EQ(guest_.Emit(writer.bytes()).result, 0);
  EXPECT_FALSE(broker_.TakeReports().ok());
  writer.Clear();
  writer.Bytes(static_cast<std::uint32_t>(ReportTag::kEndObject), {});
  ASSERT_EQ(guest_.Emit(writer.bytes()).result, 0);
  const auto reports = broker_.TakeReports();
  ASSERT_TRUE(reports.ok());
  ASSERT_EQ(reports->size(), 1u);
  EXPECT_EQ((*reports)[0].StringAt("format"), "qcow2");
}

TEST_F(BrokerRequests, ProgressReachesTheCallbackClampedAndInOrder) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
  broker_.set_progress(
      [&](std::uint64_t done, std::uint64_t total) { seen.emplace_back(done, total); });
  for (const std::uint64_t done : {0, 50, 20, 500}) guest_.Call(INSTAR_OP_PROGRESS, {done, 100});
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> expected = {
      {0, 100}, {50, 100}, {100, 100}};
  EXPECT_EQ(seen, expected);
}

TEST_F(BrokerRequests, WritingIsProgress) {
  const DeviceId target = Target();
  guest_.Write(target, 0, "xyz");
  EXPECT_EQ(broker_.work_done(0).fresh, 3u);
}

TEST_F(BrokerRequests, AFlushIsForgivenIfSomethingWasWrittenSinceTheLastOne) {
  const DeviceId target =
      *broker_.OpenTarget(directory_ / "flushed", {.cache = CacheMode::kWriteback});
  guest_.Write(target, 0, "xyz");
  guest_.Flush(target);
  const WorkDone flushed = broker_.work_done(0);
  EXPECT_EQ(flushed.fresh, 4u);
  guest_.Flush(target);
  EXPECT_EQ(broker_.work_done(0).moved, flushed.moved);
}

TEST_F(BrokerRequests, WorkersServeAtOnce) {
  const std::string content(8 << 20, 'w');
  const DeviceId source = Source(content);
  const DeviceId target = Target();
  std::vector<std::uint64_t> lists;
  for (unsigned w = 0; w < 4; ++w) {
    const instar_transfer step =
        Step(INSTAR_TRANSFER_COPY, source, target, w * (2 << 20), w * (2 << 20), 2 << 20);
    lists.push_back(guest_.Put(std::span(&step, 1)));
  }
  std::vector<std::thread> threads;
  std::vector<std::int64_t> results(4, -1);
  for (unsigned w = 0; w < 4; ++w) {
    threads.emplace_back(
        [&, w] { results[w] = guest_.Call(INSTAR_OP_TRANSFER, {lists[w], 1}, w).result; });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(results, std::vector<std::int64_t>(4, 0));
  EXPECT_EQ(TargetContent(), content);
}

TEST_F(BrokerRequests, AFullDiskIsToldInWords) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount a small file system";
  const std::string point = directory_ / "small";
  std::filesystem::create_directory(point);
  if (system(("mount -t tmpfs -o size=64k tmpfs " + point + " 2>/dev/null").c_str()) != 0) {
    GTEST_SKIP() << "cannot mount a small file system";
  }
  {
    Broker broker({});
    FakeGuest guest(broker);
    const DeviceId target = broker.OpenTarget(point + "/target", {}).value();
    const CallResult result = guest.Write(target, 0, std::string(1 << 20, 'x'));
    EXPECT_EQ(result.result, ErrorResult(ErrorCode::kNoSpace, ENOSPC));
    EXPECT_NE(broker.host_failure().find("No space left on device"), std::string::npos);
    EXPECT_NE(broker.host_failure().find(point + "/target"), std::string::npos);
    broker.Discard();
  }
  EXPECT_EQ(system(("umount " + point).c_str()), 0);
}

TEST_F(BrokerRequests, ASourceCutShortWhileItIsReadIsNoticed) {
  const DeviceId source = Source(std::string(10'000, 'a'));
  EXPECT_TRUE(broker_.CheckSources().ok());
  ASSERT_EQ(truncate((directory_ / "source").c_str(), 5), 0);
  std::string text;
  ASSERT_EQ(guest_.Read(source, 0, 10, &text).result, 0);
  EXPECT_EQ(text, std::string("aaaaa\0\0\0\0\0", 10));
  const absl::Status noticed = broker_.CheckSources();
  EXPECT_EQ(noticed.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(noticed.message().find("became shorter while it was read, from 10000 bytes to 5"),
            std::string::npos);
}

}  // namespace
}  // namespace instar::vmm
