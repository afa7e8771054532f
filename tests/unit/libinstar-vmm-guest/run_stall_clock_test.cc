#include "executor/run_stall_clock.h"

#include <gtest/gtest.h>

#include <vector>

namespace instar::vmm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Doing = StallClock::Doing;
using Nanoseconds = StallClock::Nanoseconds;

// vCPUs with clocks of their own, and that of the run.
class RunStallClockTest : public testing::Test {
 protected:
  struct Vcpu {
    StallClock clock;
    WorkDone done;
    std::optional<Nanoseconds> processor;
  };

  void Turn(unsigned index, Doing next) {
    vcpus_[index].clock.Turn(next, now_, vcpus_[index].done);
  }
  Nanoseconds Look() {
    run_.Begin(now_);
    std::uint64_t fresh = 0;
    for (Vcpu& vcpu : vcpus_) {
      vcpu.clock.Look(now_, vcpu.done, vcpu.processor);
      run_.Add(vcpu.clock);
      fresh += vcpu.done.fresh;
    }
    return run_.End(fresh);
  }
  void Moves(unsigned index, std::uint64_t bytes, std::uint64_t fresh) {
    vcpus_[index].done.moved += bytes;
    vcpus_[index].done.fresh += fresh;
  }

  std::vector<Vcpu> vcpus_{4};
  RunStallClock run_;
  Nanoseconds now_{0};
};

TEST_F(RunStallClockTest, VcpusThatTakeTurnsLastNoLongerThanOne) {
  for (unsigned i = 0; i < 4; ++i) Turn(i, Doing::kWaiting);
  for (int turn = 0; turn < 100; ++turn) {
    const unsigned index = turn % 4;
    Turn(index, Doing::kGuestCode);
    now_ += milliseconds(50);
    Turn(index, Doing::kWaiting);
    Look();
  }
  EXPECT_EQ(Look(), seconds(5));
}

TEST_F(RunStallClockTest, VcpusThatAllWaitForEachOtherCount) {
  for (unsigned i = 0; i < 4; ++i) Turn(i, Doing::kWaiting);
  now_ += seconds(3);
  EXPECT_EQ(Look(), seconds(3));
}

TEST_F(RunStallClockTest, WaitingForAnotherVcpusCallDoesNotCount) {
  Turn(0, Doing::kWaiting);
  Turn(1, Doing::kCall);
  for (int second = 0; second < 100; ++second) {
    now_ += seconds(1);
    EXPECT_EQ(Look(), seconds(0));
  }
  Moves(1, 1000, 1000);
  Turn(1, Doing::kWaiting);
  EXPECT_EQ(Look(), seconds(0));
}

TEST_F(RunStallClockTest, ACallThatMovedNothingCountsWhenItIsDone) {
  Turn(0, Doing::kWaiting);
  Turn(1, Doing::kCall);
  now_ += seconds(3);
  EXPECT_EQ(Look(), seconds(0));
  Turn(1, Doing::kWaiting);
  EXPECT_EQ(Look(), seconds(3));
}

// Four threads that wait for one slow disk have waited for 6 s, not for 24.
TEST_F(RunStallClockTest, OfCallsAtTheSameTimeNoMomentCountsTwice) {
  for (unsigned i = 0; i < 4; ++i) Turn(i, Doing::kCall);
  now_ += seconds(6);
  Look();
  Nanoseconds level{0};
  for (unsigned i = 0; i < 4; ++i) {
    Turn(i, Doing::kNothing);
    level = Look();
  }
  EXPECT_EQ(level, seconds(6));
}

TEST_F(RunStallClockTest, ShortCallsOnOldBytesInTurnsCount) {
  for (int turn = 0; turn < 100; ++turn) {
    const unsigned index = turn % 4;
    Turn(index, Doing::kCall);
    now_ += milliseconds(30);
    Moves(index, 1 << 20, 0);
    Turn(index, Doing::kWaiting);
    Look();
  }
  EXPECT_EQ(Look(), seconds(3));
}

TEST_F(RunStallClockTest, NewBytesOfOneVcpuMakeGoodTheTimeOfAll) {
  for (unsigned i = 0; i < 4; ++i) Turn(i, Doing::kGuestCode);
  now_ += seconds(9);
  EXPECT_EQ(Look(), seconds(9));
  Moves(3, 9 * StallClock::kLeastBytesPerSecond, 9 * StallClock::kLeastBytesPerSecond);
  EXPECT_EQ(Look(), seconds(0));
}

// Four vCPUs compress, each with a hundredth of a processor.
TEST_F(RunStallClockTest, OnABusyMachineTheMeanOfProcessorTimesBoundsWhatCounts) {
  for (unsigned i = 0; i < 4; ++i) {
    Turn(i, Doing::kGuestCode);
    vcpus_[i].processor = seconds(0);
  }
  Look();
  now_ += seconds(10);
  for (Vcpu& vcpu : vcpus_) vcpu.processor = milliseconds(100);
  EXPECT_EQ(Look(), StallClock::kPatience * milliseconds(100));
}

// Only one of four runs at a time, with a hundredth of a processor.
TEST_F(RunStallClockTest, OnABusyMachineTheProcessorTimesOfTurnsAddUp) {
  for (unsigned i = 0; i < 4; ++i) {
    Turn(i, Doing::kWaiting);
    vcpus_[i].processor = seconds(0);
  }
  Look();
  for (unsigned i = 0; i < 4; ++i) {
    Turn(i, Doing::kGuestCode);
    now_ += seconds(10);
    vcpus_[i].processor = milliseconds(100);
    Turn(i, Doing::kWaiting);
  }
  Turn(0, Doing::kGuestCode);
  EXPECT_EQ(Look(), StallClock::kPatience * milliseconds(400));
}

TEST_F(RunStallClockTest, WhereProcessorTimeIsNotKnownRealTimeCounts) {
  Turn(0, Doing::kGuestCode);
  Turn(1, Doing::kGuestCode);
  vcpus_[0].processor = seconds(0);
  Look();
  now_ += seconds(10);
  EXPECT_EQ(Look(), seconds(10));
}

}  // namespace
}  // namespace instar::vmm
