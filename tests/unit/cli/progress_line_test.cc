#include "cli/progress_line.h"

#include <gtest/gtest.h>

#include <csignal>

namespace instar::cli {
namespace {

TEST(ProgressLine, PercentHasTwoDecimalsInTheFormOfQemuImg) {
  EXPECT_EQ(ProgressText(0, 100), "    (0.00/100%)");
  EXPECT_EQ(ProgressText(1234, 10000), "    (12.34/100%)");
  EXPECT_EQ(ProgressText(100, 100), "    (100.00/100%)");
}

TEST(ProgressLine, NothingToDoIsDone) { EXPECT_EQ(ProgressText(0, 0), "    (100.00/100%)"); }

TEST(ProgressLine, ALineIsPrintedForEachPercentAndTheLastOnce) {
  testing::internal::CaptureStdout();
  ProgressLine line(true);
  line.Update(1, 1000);
  line.Update(105, 1000);
  line.Update(106, 1000);
  line.Update(1000, 1000);
  line.Finish(true);
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "    (0.00/100%)\r    (10.50/100%)\r    (100.00/100%)\r    (100.00/100%)\r\n");
}

TEST(ProgressLine, NothingIsPrintedUnlessAsked) {
  testing::internal::CaptureStdout();
  ProgressLine line(false);
  line.Update(500, 1000);
  line.Finish(true);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(ProgressLine, SigUsr1PrintsProgressOnceToStandardError) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  ProgressLine line(false);
  line.Update(100, 1000);
  std::raise(SIGUSR1);
  line.Update(250, 1000);
  line.Update(500, 1000);
  std::signal(SIGUSR1, SIG_DFL);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "    (25.00/100%)\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

}  // namespace
}  // namespace instar::cli
