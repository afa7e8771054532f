#include "formats/base/table_reuse_limit.h"

#include <gtest/gtest.h>

#include "support/memory_device.h"

namespace instar {
namespace {

using test::MemoryDevice;

constexpr std::uint64_t kTable = 1 << 20;
constexpr std::uint64_t kFree = TableAllowance().free_bytes;

// A file of `data` bytes of data, then a hole.
MemoryDevice FileOf(std::uint64_t data, std::uint64_t length = 64 << 20) {
  MemoryDevice file(length);
  for (std::uint64_t at = 0; at < data; at += MemoryDevice::kBlock) file.bytes[at] = std::byte{1};
  return file;
}

// Tables of kTable that may be visited in a file with so much data.
std::uint64_t MostOf(std::uint64_t data) {
  return (kFree + data * TableAllowance().per_stored_byte) / kTable;
}

TEST(TableReuseLimit, TheFreeBytesAskNothingOfTheFile) {
  const MemoryDevice file(0);
  TableReuseLimit meter(file);
  for (std::uint64_t i = 0; i < kFree / kTable; ++i) {
    EXPECT_FALSE(meter.Visit(i * 7, i * kTable, kTable).value());
  }
  EXPECT_FALSE(meter.looks_for_holes());
}

TEST(TableReuseLimit, EachByteOfDataAllowsMore) {
  const MemoryDevice file = FileOf(1 << 20);
  TableReuseLimit meter(file);
  for (std::uint64_t i = 0; i < MostOf(1 << 20); ++i)
    EXPECT_FALSE(meter.Visit(i, 0, kTable).value());
  EXPECT_FALSE(meter.looks_for_holes());
}

TEST(TableReuseLimit, ALongFileOfHolesAllowsNoMore) {
  const MemoryDevice file = FileOf(4096);
  TableReuseLimit meter(file);
  // Once more from when holes are looked for.
  constexpr std::uint64_t kPiece = 4096;
  const std::uint64_t most = 2 * (kFree + 4096 * TableAllowance().per_stored_byte) / kPiece;
  for (std::uint64_t i = 0; i < most; ++i) ASSERT_TRUE(meter.Visit(i, 0, kPiece)) << i;
  for (const std::uint64_t i : {most, most, most + 1}) {
    const auto more = meter.Visit(i, 0, kPiece);
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, ErrorCode::kLimit);
  }
}

TEST(TableReuseLimit, TablesInHolesNeedNotBeReadAndDoNotCount) {
  const MemoryDevice file = FileOf(4096);
  TableReuseLimit meter(file);
  std::uint64_t holes = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto hole = meter.Visit(i, 8192 + i % 8 * kTable, kTable);
    ASSERT_TRUE(hole) << i;
    holes += *hole ? 1 : 0;
  }
  EXPECT_GE(holes, 1000 - MostOf(4096) - 1);
}

TEST(TableReuseLimit, OfATableThatIsPartlyAHoleTheDataCounts) {
  const MemoryDevice file = FileOf(4096);
  TableReuseLimit meter(file);
  meter.LookForHoles();
  for (std::uint64_t i = 0; i < kFree / 4096; ++i) ASSERT_FALSE(meter.Visit(i, 0, kTable).value());
}

TEST(TableReuseLimit, WhatIsBeyondTheEndOfTheFileIsAHole) {
  const MemoryDevice file = FileOf(4096, 8192);
  TableReuseLimit meter(file);
  meter.LookForHoles();
  EXPECT_FALSE(meter.Visit(0, 4096).value());
  EXPECT_TRUE(meter.Visit(4096, 1 << 20).value());
  EXPECT_TRUE(meter.Visit(1 << 20, 4096).value());
}

TEST(TableReuseLimit, ATableCountsOnceWhileTheWalkIsInIt) {
  const MemoryDevice file(0);
  TableReuseLimit meter(file);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(meter.Visit(3, 0, kTable));
  EXPECT_FALSE(meter.looks_for_holes());
}

TEST(TableReuseLimit, GoingBackStartsAnew) {
  const MemoryDevice file(0);
  TableReuseLimit meter(file);
  for (int round = 0; round < 10; ++round) {
    for (std::uint64_t i = 0; i < kFree / kTable; ++i) EXPECT_TRUE(meter.Visit(i, 0, kTable));
  }
  EXPECT_FALSE(meter.looks_for_holes());
}

TEST(TableReuseLimit, SumsThatOverflowAreOverTheLimit) {
  const MemoryDevice file = FileOf(4096);
  TableReuseLimit meter(file);
  EXPECT_TRUE(meter.Charge(1));
  EXPECT_FALSE(meter.Charge(UINT64_MAX));
}

}  // namespace
}  // namespace instar
