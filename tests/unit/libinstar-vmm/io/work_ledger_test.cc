#include "io/work_ledger.h"

#include <gtest/gtest.h>

#include <chrono>

#include "io/bit_writer.h"
#include "io/rate_limiter.h"

namespace instar::vmm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(WorkLedger, AllowsTwiceWhatTargetsReachAndAGibibyte) {
  WorkLedger ledger(0);
  std::atomic<std::uint64_t> reached{0};
  ledger.Reached(reached, 1000);
  ledger.Reached(reached, 500);
  EXPECT_TRUE(ledger.ChargeMove(WorkLedger::kFreeBytes + 2000));
  EXPECT_FALSE(ledger.ChargeMove(1));
  ledger.Reached(reached, 2000);
  EXPECT_TRUE(ledger.ChargeMove(1));
}

TEST(WorkLedger, NothingMovesTheMarkBeyondTheBudget) {
  WorkLedger ledger(0);
  ASSERT_TRUE(ledger.ChargeMove(WorkLedger::kFreeBytes));
  const std::uint64_t mark = ledger.mark();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(ledger.ChargeMove(4096));
  EXPECT_EQ(ledger.mark(), mark);
}

TEST(WorkLedger, ScansCountUpToTwiceWhatThereIs) {
  WorkLedger ledger(0);
  ledger.AddReadable(1000);
  ledger.ChargeScan(WorkLedger::kFreeBytes + 2000);
  const std::uint64_t mark = ledger.mark();
  EXPECT_EQ(mark, WorkLedger::kFreeBytes + 2000);
  ledger.ChargeScan(1);
  EXPECT_EQ(ledger.mark(), mark);
}

TEST(WorkLedger, HugeNumbersSaturate) {
  WorkLedger ledger(0);
  std::atomic<std::uint64_t> reached{0};
  ledger.Reached(reached, ~std::uint64_t{0});
  EXPECT_TRUE(ledger.ChargeMove(~std::uint64_t{0}));
  EXPECT_TRUE(ledger.ChargeMove(~std::uint64_t{0}));
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

// It would wait for minutes.
TEST(WorkLedger, TheRateLimitConcernsOnlyWhatIsWritten) {
  WorkLedger ledger(/*bytes_per_second=*/1 << 20);
  EXPECT_TRUE(ledger.Charge(WorkLedger::kFreeBytes));
  EXPECT_FALSE(ledger.Charge(1));
}

}  // namespace
}  // namespace instar::vmm
