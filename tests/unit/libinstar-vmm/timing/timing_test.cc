#include "instar/vmm/timing.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <vector>

#include "instar/abi/call_table.h"
#include "instar/abi/mailbox.h"
#include "timing/request_tally.h"

namespace instar::vmm {
namespace {

using std::chrono::nanoseconds;

TEST(Timing, PhasesAddUpToTheTimeThatPassed) {
  Timing timing;
  const auto begin = timing.last;
  timing.Mark(TimingPhase::kFiles);
  timing.Mark(TimingPhase::kGuest);
  timing.Mark(TimingPhase::kFiles);
  const nanoseconds sum =
      std::accumulate(timing.phases.begin(), timing.phases.end(), nanoseconds(0));
  EXPECT_EQ(sum, timing.last - begin);
}

TEST(Timing, EveryPhaseHasAName) {
  for (std::size_t i = 0; i < kTimingPhases; ++i) {
    EXPECT_STRNE(TimingPhaseName(static_cast<TimingPhase>(i)), "unknown") << i;
  }
  EXPECT_STREQ(TimingPhaseName(static_cast<TimingPhase>(kTimingPhases)), "unknown");
}

TEST(Timing, EveryOperationFitsTheTable) {
  EXPECT_EQ(std::size_t{INSTAR_OP_RESIZE_ROOT} + 1, kTimingOperations);
  EXPECT_STREQ(TimingOperationName(INSTAR_OP_TRANSFER), "transfer");
  EXPECT_EQ(TimingOperationName(0), nullptr);
  EXPECT_EQ(TimingOperationName(1000), nullptr);
}

// Guest memory of 4 KiB at address 0x1000.
class RequestBytes : public testing::Test {
 protected:
  template <typename Entry>
  void Store(std::vector<Entry> list) {
    std::memcpy(bytes_.data(), list.data(), list.size() * sizeof(Entry));
  }
  static CallFrame Frame(std::uint32_t op, std::uint64_t first, std::uint64_t second) {
    return {.op = op, .args = {first, second, 0, 0, 0, 0}};
  }

  std::vector<std::byte> bytes_ = std::vector<std::byte>(4096);
  GuestMemory memory_{0x1000, bytes_, {.readable_from = 0x1000, .writable_from = 0x1000}};
};

TEST_F(RequestBytes, OfListsAreTheSumOfTheirLengths) {
  Store<instar_io>({{.length = 5}, {.length = 7}});
  EXPECT_EQ(BytesOfRequest(Frame(INSTAR_OP_READ, 0x1000, 2), memory_), 12u);
  EXPECT_EQ(BytesOfRequest(Frame(INSTAR_OP_WRITE, 0x1000, 1), memory_), 5u);
  Store<instar_transfer>({{.length = 100}, {.length = 1}});
  EXPECT_EQ(BytesOfRequest(Frame(INSTAR_OP_TRANSFER, 0x1000, 2), memory_), 101u);
}

TEST_F(RequestBytes, OfListsOutsideTheGuestAreNone) {
  EXPECT_EQ(BytesOfRequest(Frame(INSTAR_OP_READ, 0x1000, 4096), memory_), 0u);
  EXPECT_EQ(BytesOfRequest(Frame(INSTAR_OP_READ, 0x9000, 1), memory_), 0u);
  EXPECT_EQ(BytesOfRequest(Frame(INSTAR_OP_READ, 0x1000, ~0ull), memory_), 0u);
}

TEST_F(RequestBytes, UnknownOperationsAreNotCounted) {
  RequestTally tally;
  tally.Begin();
  tally.End(Frame(0xFFFFFFFF, 0, 0), memory_);
  tally.End(Frame(INSTAR_OP_EMIT, 0x1000, 64), memory_);
  Timing timing;
  tally.AddTo(timing);
  std::uint64_t count = 0;
  for (const Timing::Requests& requests : timing.requests) count += requests.count;
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(timing.requests[INSTAR_OP_EMIT].bytes, 64u);
  EXPECT_GE(timing.vcpu_time, timing.requests[INSTAR_OP_EMIT].time);
}

}  // namespace
}  // namespace instar::vmm
