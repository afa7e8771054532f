#include "formats/base/read_ahead.h"

#include <gtest/gtest.h>

#include "support/memory_device.h"

namespace instar {
namespace {

using test::MemoryDevice;

TEST(ReadAhead, HoldsEveryRangeThatWasAskedFor) {
  MemoryDevice file(4096);
  file.PutBe32(3000, 0xCAFEF00D);
  file.PutBe32(104, 0x12345678);
  ReadAhead ahead(file);
  EXPECT_FALSE(ahead.Find({3000, 4}));
  const auto first = ahead.Fetch(std::vector<ByteRange>{{3000, 8}, {100, 16}});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->size(), 8U);
  EXPECT_EQ(LoadBe32(*first, 0), 0xCAFEF00D);
  const auto other = ahead.Find({104, 4});
  ASSERT_TRUE(other);
  EXPECT_EQ(LoadBe32(*other, 0), 0x12345678U);
  EXPECT_EQ(file.reads, 2U);
}

TEST(ReadAhead, ReadsRangesThatTouchAsOne) {
  MemoryDevice file(4096);
  ReadAhead ahead(file);
  ASSERT_TRUE(ahead.Fetch(std::vector<ByteRange>{{100, 16}, {116, 16}, {132, 4}}));
  EXPECT_EQ(file.reads, 1U);
  EXPECT_TRUE(ahead.Find({110, 26}));
}

TEST(ReadAhead, HoldsNothingButWhatWasFetchedLast) {
  MemoryDevice file(4096);
  ReadAhead ahead(file);
  ASSERT_TRUE(ahead.Fetch(std::vector<ByteRange>{{100, 16}}));
  ASSERT_TRUE(ahead.Fetch(std::vector<ByteRange>{{200, 16}}));
  EXPECT_FALSE(ahead.Find({100, 16}));
  EXPECT_FALSE(ahead.Find({210, 16}));  // held in part only
}

TEST(ReadAhead, WhatCannotBeReadAheadDoesNotHinder) {
  MemoryDevice file(4096);
  file.fail_reads_from = 2000;
  ReadAhead ahead(file);
  const auto first = ahead.Fetch(std::vector<ByteRange>{{100, 16}, {2000, 16}});
  ASSERT_TRUE(first);
  EXPECT_FALSE(ahead.Find({2000, 16}));
  EXPECT_TRUE(ahead.Find({100, 16}));
  const auto failing = ahead.Fetch(std::vector<ByteRange>{{2000, 16}});
  ASSERT_FALSE(failing);
  EXPECT_EQ(failing.error().code, ErrorCode::kIo);
  EXPECT_FALSE(ahead.Find({2000, 16}));
}

}  // namespace
}  // namespace instar
