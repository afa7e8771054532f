#include "formats/base/read_window.h"

#include <gtest/gtest.h>

#include "support/memory_device.h"

namespace instar {
namespace {

using test::MemoryDevice;

TEST(ReadWindow, ShowsTheBytesOfTheFile) {
  MemoryDevice file(100);
  file.PutBe32(60, 0xCAFEF00D);
  ReadWindow window(file, 64);
  const auto view = window.View(60, 4);
  ASSERT_TRUE(view);
  EXPECT_EQ(LoadBe32(*view, 0), 0xCAFEF00D);
}

TEST(ReadWindow, LooksWithinTheWindowCostNoRead) {
  MemoryDevice file(4096);
  ReadWindow window(file, 64);
  ASSERT_TRUE(window.View(100, 4));
  ASSERT_TRUE(window.View(160, 4));
  EXPECT_EQ(file.reads, 1U);
  ASSERT_TRUE(window.View(161, 4));
  EXPECT_EQ(file.reads, 2U);
}

TEST(ReadWindow, ReadsNoMoreThanItsCapacityAndWhatItIsAskedToFill) {
  MemoryDevice file(4096);
  ReadWindow window(file, 64);
  ASSERT_TRUE(window.View(0, 8, 16));
  EXPECT_EQ(file.bytes_read, 16U);
  ASSERT_TRUE(window.View(100, 8, 1000));
  EXPECT_EQ(file.bytes_read, 16U + 64U);
}

TEST(ReadWindow, ZerosStandBeyondTheEndOfTheFile) {
  MemoryDevice file(10);
  file.Fill(0, 10, 0xFF);
  ReadWindow window(file, 64);
  const auto view = window.View(8, 4);
  ASSERT_TRUE(view);
  EXPECT_EQ(LoadBe32(*view, 0), 0xFFFF0000);
}

TEST(ReadWindow, AFailedReadLeavesNothingToBeFound) {
  MemoryDevice file(4096);
  ReadWindow window(file, 64);
  ASSERT_TRUE(window.View(0, 8));
  file.fail_reads_from = 1000;
  EXPECT_EQ(window.View(2000, 8).error().code, ErrorCode::kIo);
  EXPECT_EQ(window.View(2000, 8).error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace instar
