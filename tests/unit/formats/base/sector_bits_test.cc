#include "formats/base/sector_bits.h"

#include <gtest/gtest.h>

#include <string>

#include "support/memory_device.h"

namespace instar {
namespace {

using test::MemoryDevice;

// All runs of the bitmap at `offset`, as "+3 -5": three sectors here, five of the parent's.
std::string Runs(const MemoryDevice& file, BitOrder order, std::uint64_t offset,
                 std::uint64_t bytes) {
  SectorBits bits(file, order);
  std::string text;
  for (std::uint64_t at = 0; at < bytes * 8;) {
    const auto run = bits.RunAt({.index = 0, .offset = offset, .bytes = bytes}, at, bytes * 8);
    EXPECT_TRUE(run);
    if (!run) break;
    text += (run->here ? " +" : " -") + std::to_string(run->sectors);
    at += run->sectors;
  }
  return text;
}

TEST(SectorBits, RunsAreFoundInEitherOrder) {
  MemoryDevice file(512);
  file.Fill(0, 2, 0xFF);
  file.Fill(2, 1, 0x07);
  EXPECT_EQ(Runs(file, BitOrder::kLowestFirst, 0, 8), " +19 -45");
  EXPECT_EQ(Runs(file, BitOrder::kHighestFirst, 0, 8), " +16 -5 +3 -40");
}

TEST(SectorBits, ARunGoesOnInTheNextPiece) {
  constexpr std::uint64_t kBytes = 40 << 10;
  MemoryDevice file(kBytes);
  file.Fill(100, 39 << 10, 0xFF);
  EXPECT_EQ(Runs(file, BitOrder::kLowestFirst, 0, kBytes),
            " -800 +" + std::to_string((39 << 10) * 8) + " -7392");
}

TEST(SectorBits, ARunStartsAndEndsWhereItIsAsked) {
  MemoryDevice file(512);
  file.Fill(0, 512, 0xFF);
  SectorBits bits(file, BitOrder::kLowestFirst);
  const auto run = bits.RunAt({.index = 3, .offset = 0, .bytes = 512}, 13, 21);
  ASSERT_TRUE(run);
  EXPECT_TRUE(run->here);
  EXPECT_EQ(run->sectors, 8U);
}

TEST(SectorBits, BitmapsInHolesAreNotRead) {
  constexpr std::uint64_t kBytes = 1 << 20;
  MemoryDevice file(16 << 20);
  SectorBits bits(file, BitOrder::kLowestFirst);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const SectorBits::Bitmap bitmap{.index = i, .offset = i % 16 * kBytes, .bytes = kBytes};
    const auto run = bits.RunAt(bitmap, 0, kBytes * 8);
    ASSERT_TRUE(run) << i;
    EXPECT_FALSE(run->here);
    EXPECT_EQ(run->sectors, kBytes * 8);
  }
  EXPECT_LE(file.bytes_read, 8U << 20);
}

TEST(SectorBits, OneBitmapForManyPlacesIsOverTheLimit) {
  MemoryDevice file(1 << 20);
  file.Fill(0, 64 << 10, 0x55);
  SectorBits bits(file, BitOrder::kLowestFirst);
  ErrorCode code{};
  for (std::uint64_t i = 0; i < 1000 && code != ErrorCode::kLimit; ++i) {
    for (std::uint64_t at = 0; at < (64 << 13); at += 16 << 13) {
      const auto run = bits.RunAt({.index = i, .offset = 0, .bytes = 64 << 10}, at, 64 << 13);
      if (!run) code = run.error().code;
    }
  }
  EXPECT_EQ(code, ErrorCode::kLimit);
}

}  // namespace
}  // namespace instar
