#include "executor/stall_clock.h"

#include <gtest/gtest.h>

#include "executor/run_clock.h"

namespace instar::vmm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Doing = StallClock::Doing;

constexpr std::uint64_t kMebibyte = 1 << 20;

TEST(StallClock, CountsTheTimeOfGuestCode) {
  StallClock clock;
  clock.Turn(Doing::kGuestCode, seconds(5), {});
  EXPECT_EQ(clock.Look(seconds(7), {}), seconds(2));
  EXPECT_EQ(clock.Look(seconds(8), {}), seconds(3));
}

TEST(StallClock, DoesNotCountTheTimeOfWaitingForOthers) {
  StallClock clock;
  clock.Turn(Doing::kWaiting, seconds(0), {});
  EXPECT_EQ(clock.Look(seconds(100), {}), seconds(0));
}

TEST(StallClock, ACallIsExemptWhileItIsUnderWay) {
  StallClock clock;
  clock.Turn(Doing::kCall, seconds(0), {});
  EXPECT_EQ(clock.Look(seconds(100), {}), seconds(0));
}

TEST(StallClock, ACallThatMovedNothingCountsWhenItIsDone) {
  StallClock clock;
  clock.Turn(Doing::kCall, seconds(0), {});
  clock.Turn(Doing::kGuestCode, seconds(3), {});
  EXPECT_EQ(clock.Look(seconds(3), {}), seconds(3));
}

TEST(StallClock, ASlowCallWhoseBytesAreNewIsForgiven) {
  StallClock clock;
  clock.Turn(Doing::kCall, seconds(0), {});
  clock.Turn(Doing::kGuestCode, seconds(300), {.moved = 10, .fresh = 10});
  EXPECT_LT(clock.Look(seconds(300), {.moved = 10, .fresh = 10}), milliseconds(1));
}

TEST(StallClock, TheTimeOfBytesThatAreNotNewCountsByTheirShare) {
  StallClock clock;
  const WorkDone quarter{.moved = 4000, .fresh = 1000};
  clock.Turn(Doing::kCall, seconds(0), {});
  clock.Turn(Doing::kWaiting, seconds(8), quarter);
  EXPECT_EQ(clock.Look(seconds(8), quarter), seconds(6) - TimeMadeGood(1000));
}

TEST(StallClock, APieceOfACallThatMovesNothingNewCountsAtOnce) {
  StallClock clock;
  clock.Turn(Doing::kCall, seconds(0), {});
  EXPECT_EQ(clock.Look(seconds(1), {.moved = kMebibyte}), seconds(1));
  EXPECT_EQ(clock.Look(seconds(2), {.moved = 2 * kMebibyte}), seconds(2));
}

TEST(StallClock, ADripOfNewBytesDoesNotMakeGoodTheTimeBetween) {
  StallClock clock;
  clock.Turn(Doing::kGuestCode, seconds(0), {});
  WorkDone done;
  StallClock::Nanoseconds level{0};
  for (int second = 1; second <= 30; ++second) {
    done.moved = done.fresh += StallClock::kLeastBytesPerSecond / 2;
    level = clock.Look(seconds(second), done);
  }
  EXPECT_EQ(level, seconds(15));
}

TEST(StallClock, NewBytesAreNotSavedUp) {
  StallClock clock;
  clock.Turn(Doing::kGuestCode, seconds(0), {});
  const WorkDone much{.moved = 1000 * kMebibyte, .fresh = 1000 * kMebibyte};
  EXPECT_EQ(clock.Look(seconds(1), much), seconds(0));
  EXPECT_EQ(clock.Look(seconds(31), much), seconds(30));
}

TEST(StallClock, AWorkerThatBeginsAnewHasAllItsTime) {
  StallClock clock;
  clock.Turn(Doing::kGuestCode, seconds(0), {});
  EXPECT_EQ(clock.Look(seconds(20), {}), seconds(20));
  clock.Turn(Doing::kNothing, seconds(20), {});
  EXPECT_EQ(clock.Look(seconds(40), {}), seconds(0));
  clock.Turn(Doing::kGuestCode, seconds(50), {});
  EXPECT_EQ(clock.Look(seconds(51), {}), seconds(1));
}

// A thousandth of a processor is left for it.
TEST(StallClock, OnABusyMachineProcessorTimeBoundsWhatCounts) {
  StallClock clock;
  clock.Turn(Doing::kGuestCode, seconds(0), {});
  EXPECT_EQ(clock.Look(seconds(0), {}, seconds(7)), seconds(0));
  EXPECT_EQ(clock.Look(seconds(100), {}, seconds(7) + milliseconds(100)),
            StallClock::kPatience * milliseconds(100));
}

TEST(RunClock, GoesWithRealTime) {
  RunClock clock;
  clock.Start(seconds(100));
  for (int i = 1; i <= 10; ++i) clock.Tick(seconds(100) + i * milliseconds(50));
  EXPECT_EQ(clock.Now(seconds(100) + milliseconds(520)), milliseconds(520));
}

TEST(RunClock, OfTimeInWhichNobodyLookedLittleCounts) {
  RunClock clock;
  clock.Start(seconds(100));
  EXPECT_EQ(clock.Now(seconds(160)), RunClock::kMostBetweenTicks);
  clock.Tick(seconds(160) + milliseconds(50));
  EXPECT_EQ(clock.Now(seconds(160) + milliseconds(50)),
            RunClock::kMostBetweenTicks + milliseconds(50));
}

}  // namespace
}  // namespace instar::vmm
