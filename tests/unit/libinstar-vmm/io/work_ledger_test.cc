#include "io/work_ledger.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "io/bit_writer.h"
#include "io/first_time_bytes.h"
#include "io/rate_limiter.h"
#include "io/readable_bytes.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(WorkLedger, ReadingIsNewWithinTwiceTheDataAndSomeMore) {
  WorkLedger ledger(0);
  ledger.readable().Add(/*fd=*/-1, 1000, 1000);
  WorkMeter meter(ledger, 3);
  meter.NoteRead(WorkLedger::kFreeBytes + 1500);
  EXPECT_EQ(ledger.done(3).fresh, WorkLedger::kFreeBytes + 1500);
  meter.NoteRead(600);
  EXPECT_EQ(ledger.done(3).fresh, WorkLedger::kFreeBytes + 2000);
  meter.NoteRead(600);
  EXPECT_EQ(ledger.done(3).fresh, WorkLedger::kFreeBytes + 2000);
  EXPECT_EQ(ledger.done(3).moved, WorkLedger::kFreeBytes + 2700);
}

TEST(WorkLedger, WritingTheSameBytesAgainIsNotNew) {
  WorkLedger ledger(0);
  WorkMeter meter(ledger);
  TargetWork target;
  constexpr std::uint64_t kLength = 3 * FirstTimeBytes::kSmallestUnit;
  for (int i = 0; i < 5; ++i) meter.NotePlaced(target.written, 0, kLength);
  EXPECT_EQ(ledger.done(0).fresh, kLength);
  EXPECT_EQ(ledger.done(0).moved, 5 * kLength);
}

TEST(WorkLedger, StorageThatIsReservedAndThenWrittenIsNewTwice) {
  WorkLedger ledger(0);
  WorkMeter meter(ledger);
  TargetWork target;
  meter.NotePlaced(target.stored, 0, 1 << 20);
  meter.NotePlaced(target.written, 0, 1 << 20);
  EXPECT_EQ(ledger.done(0).fresh, 2u << 20);
}

TEST(WorkLedger, EachWorkerHasItsOwnCount) {
  WorkLedger ledger(0);
  WorkMeter(ledger, 1).NoteReceived(7);
  WorkMeter(ledger, 2).NoteReceived(9);
  EXPECT_EQ(ledger.done(0).moved, 0u);
  EXPECT_EQ(ledger.done(1).moved, 7u);
  EXPECT_EQ(ledger.done(2).moved, 9u);
}

// It would wait for a year.
TEST(WorkLedger, AWaitForTheRateLimitEndsWithTheRun) {
  WorkLedger ledger(/*bytes_per_second=*/1);
  WorkMeter meter(ledger);
  ledger.stop().Stop();
  EXPECT_FALSE(meter.Throttle(1 << 20));
  EXPECT_FALSE(meter.Throttle(1 << 20));
}

TEST(FirstTimeBytes, CountsEachByteOfAFileOnce) {
  FirstTimeBytes bytes;
  constexpr std::uint64_t kUnit = FirstTimeBytes::kSmallestUnit;
  EXPECT_EQ(bytes.Add(0, kUnit / 2), kUnit / 2);
  EXPECT_EQ(bytes.Add(kUnit / 2, kUnit), kUnit);
  EXPECT_EQ(bytes.Add(0, 2 * kUnit), kUnit / 2);
  EXPECT_EQ(bytes.Add(0, 2 * kUnit), 0u);
}

TEST(FirstTimeBytes, SmallWritesInOrderAreAllNew) {
  FirstTimeBytes bytes;
  for (std::uint64_t at = 0; at < (1 << 20); at += 512) ASSERT_EQ(bytes.Add(at, 512), 512u) << at;
}

TEST(FirstTimeBytes, WhatLiesFarOutMakesNothingNewNearby) {
  FirstTimeBytes bytes;
  bytes.Add(0, 1 << 20);
  EXPECT_EQ(bytes.Add(std::uint64_t{1} << 62, 1), 1u);
  EXPECT_EQ(bytes.Add(0, 1 << 20), 0u);
}

TEST(FirstTimeBytes, CoversEveryOffsetAFileCanHave) {
  FirstTimeBytes bytes;
  for (unsigned power = 0; power < 63; ++power) {
    const std::uint64_t at = std::uint64_t{3} << power >> 1;
    EXPECT_EQ(bytes.Add(at, 100), 100u) << power;
  }
  EXPECT_EQ(bytes.Add((std::uint64_t{1} << 63) - 10, 1000), 10u);
  EXPECT_EQ(bytes.Add(std::uint64_t{1} << 63, 1000), 0u);
  EXPECT_EQ(bytes.Add(~std::uint64_t{0}, 1000), 0u);
}

TEST(FirstTimeBytes, ALongStretchOverUnitsOfAllLengthsIsNewOnce) {
  FirstTimeBytes bytes;
  constexpr std::uint64_t kLength = std::uint64_t{64} << 30;
  EXPECT_EQ(bytes.Add(0, kLength), kLength);
  EXPECT_EQ(bytes.Add(0, kLength), 0u);
}

TEST(FirstTimeBytes, SeveralThreadsShareWhatIsNew) {
  FirstTimeBytes bytes;
  std::atomic<std::uint64_t> fresh{0};
  constexpr std::uint64_t kLength = std::uint64_t{64} << 20;
  const auto write_all = [&] {
    for (std::uint64_t at = 0; at < kLength; at += 65536) fresh += bytes.Add(at, 65536);
  };
  std::thread other(write_all);
  write_all();
  other.join();
  EXPECT_EQ(fresh, kLength);
}

// A file of much length and little data, opened.
class ReadableBytesTest : public testing::Test {
 protected:
  ~ReadableBytesTest() override { close(fd_); }
  TemporaryDirectory directory_;
  int fd_ = open(directory_.Write("file", "x").c_str(), O_RDWR);
};

TEST_F(ReadableBytesTest, HolesOfAFileAreNothingToRead) {
  constexpr std::uint64_t kLength = std::uint64_t{1} << 40;
  ASSERT_EQ(ftruncate(fd_, kLength), 0);
  ASSERT_EQ(pwrite(fd_, "x", 1, 1 << 30), 1);
  ReadableBytes readable;
  readable.Add(fd_, kLength, /*storage_bytes=*/0);
  EXPECT_TRUE(readable.Reaches(2 * 4096));
  EXPECT_FALSE(readable.Reaches(std::uint64_t{1} << 24));
  EXPECT_EQ(readable.length(), kLength);
}

TEST_F(ReadableBytesTest, DataCountsThatTakesLittleStorage) {
  const std::string data(1 << 20, 'd');
  ASSERT_EQ(pwrite(fd_, data.data(), data.size(), 0), 1 << 20);
  ReadableBytes readable;
  readable.Add(fd_, 1 << 20, /*storage_bytes=*/4096);
  EXPECT_EQ(readable.known(), 4096u);
  EXPECT_TRUE(readable.Reaches(1 << 20));
  EXPECT_FALSE(readable.Reaches((1 << 20) + 1));
}

TEST(RateLimiter, SpreadsBytesOverTime) {
  RateLimiter limiter(1000);
  const RateLimiter::Nanoseconds now = seconds(100);
  EXPECT_EQ(limiter.Reserve(1000, now), seconds(0));
  EXPECT_EQ(limiter.Reserve(1000, now), milliseconds(900));
  EXPECT_EQ(limiter.Reserve(1000, now), milliseconds(1900));
  EXPECT_EQ(limiter.Reserve(1000, now + seconds(2)), milliseconds(900));
}

TEST(RateLimiter, SavesUpNoMoreThanABurst) {
  RateLimiter limiter(1000);
  limiter.Reserve(1, seconds(1));
  EXPECT_EQ(limiter.Reserve(500, seconds(1000)), seconds(0));
  EXPECT_EQ(limiter.Reserve(500, seconds(1000)), milliseconds(400));
}

TEST(RateLimiter, WithoutALimitNeverWaits) {
  RateLimiter limiter(0);
  EXPECT_FALSE(limiter.limited());
  EXPECT_EQ(limiter.Reserve(~std::uint64_t{0}, seconds(1)), seconds(0));
}

TEST(RateLimiter, AnAbsurdlySlowRateDoesNotOverflow) {
  RateLimiter limiter(1);
  for (int i = 0; i < 1000; ++i)
    EXPECT_GE(limiter.Reserve(~std::uint64_t{0}, seconds(1)), seconds(0));
}

TEST(BitWriter, AppendsRunsOfAnyLength) {
  std::array<std::uint64_t, 4> words;
  words.fill(~std::uint64_t{0});
  {
    BitWriter bits(std::as_writable_bytes(std::span(words)));
    bits.Append(true, 3);
    bits.Append(false, 61);
    bits.Append(false, 10);
    bits.Append(true, 64);
    bits.Append(true, 1);
  }
  EXPECT_EQ(words[0], 0b111u);
  EXPECT_EQ(words[1], ~std::uint64_t{0} << 10);
  EXPECT_EQ(words[2], 0b111'1111'1111u);
  EXPECT_EQ(words[3], ~std::uint64_t{0});
}

TEST(BitWriter, DropsWhatDoesNotFit) {
  std::array<std::uint64_t, 2> words{0, 42};
  {
    BitWriter bits(std::as_writable_bytes(std::span(words)).first(8));
    bits.Append(true, 1000);
  }
  EXPECT_EQ(words[0], ~std::uint64_t{0});
  EXPECT_EQ(words[1], 42u);
}

}  // namespace
}  // namespace instar::vmm
