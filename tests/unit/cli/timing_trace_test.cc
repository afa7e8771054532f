#include "cli/timing_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "instar/abi/mailbox.h"

namespace instar::cli {
namespace {

using std::chrono::microseconds;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(TimingText, HasALineForEachPhaseInMilliseconds) {
  vmm::Timing timing;
  timing.phases[static_cast<std::size_t>(vmm::TimingPhase::kLandlock)] = microseconds(1234);
  const std::string text = TimingText(timing, microseconds(900), microseconds(5000));
  EXPECT_THAT(text, HasSubstr("  before main                     0.90  of the processor\n"));
  EXPECT_THAT(text, HasSubstr("  jail: landlock                  1.23\n"));
  EXPECT_THAT(text, HasSubstr("  total from main                 5.00\n"));
  for (std::size_t i = 0; i < vmm::kTimingPhases; ++i) {
    EXPECT_THAT(text, HasSubstr(vmm::TimingPhaseName(static_cast<vmm::TimingPhase>(i))));
  }
}

TEST(TimingText, WhatRequestsDidNotTakeTheGuestRan) {
  vmm::Timing timing;
  timing.vcpu_time = microseconds(3000);
  timing.requests[INSTAR_OP_READ] = {.count = 2, .bytes = 4608, .time = microseconds(1000)};
  timing.requests[INSTAR_OP_YIELD] = {.count = 1, .time = microseconds(500)};
  const std::string text = TimingText(timing, {}, {});
  EXPECT_THAT(text, HasSubstr("    running                       1.50\n"));
  EXPECT_THAT(text, HasSubstr("    read                          1.00  2 x, 4608 bytes\n"));
  EXPECT_THAT(text, HasSubstr("    yield                         0.50  1 x\n"));
  EXPECT_THAT(text, Not(HasSubstr("write")));
}

}  // namespace
}  // namespace instar::cli
