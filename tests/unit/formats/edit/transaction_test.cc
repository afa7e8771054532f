#include "formats/edit/transaction.h"

#include <gtest/gtest.h>

#include "support/memory_device.h"

namespace instar {
namespace {

constexpr unsigned kBits = 9;

class TransactionTest : public testing::Test {
 protected:
  std::vector<std::byte> some = std::vector<std::byte>(512, std::byte{7});
  test::MemoryDevice device{6 << kBits};
  ClusterSpace space{{{2, 1}}, 4, 1000};
  Transaction transaction{device, space, kBits};
};

TEST_F(TransactionTest, WritesOnlyWhatWasTaken) {
  EXPECT_EQ(transaction.Write(2 << kBits, some).error().code, ErrorCode::kDenied);
  ASSERT_EQ(space.Take(1).value(), 2u);
  EXPECT_TRUE(transaction.Write(2 << kBits, some));
  EXPECT_EQ(transaction.Write((2 << kBits) + 1, some).error().code, ErrorCode::kDenied);
  EXPECT_EQ(transaction.Write(0, some).error().code, ErrorCode::kDenied);
  EXPECT_EQ(transaction.Zero(3 << kBits, 512).error().code, ErrorCode::kDenied);
  EXPECT_EQ(device.writes, 1u);
}

TEST_F(TransactionTest, WritesNothingIfOneOfManyPiecesIsDenied) {
  ASSERT_EQ(space.Take(1).value(), 2u);
  const WritePiece pieces[] = {{.offset = 2 << kBits, .data = some},
                               {.offset = 3 << kBits, .data = some}};
  EXPECT_EQ(transaction.WriteAll(pieces).error().code, ErrorCode::kDenied);
  EXPECT_EQ(device.writes, 0u);
}

TEST_F(TransactionTest, WritesNothingAfterTheFlip) {
  ASSERT_EQ(space.Take(1).value(), 2u);
  ASSERT_TRUE(transaction.Flip(0, some));
  EXPECT_TRUE(transaction.flipped());
  EXPECT_EQ(transaction.Write(2 << kBits, some).error().code, ErrorCode::kDenied);
}

TEST_F(TransactionTest, FlushesBeforeAndWithTheFlip) {
  ASSERT_TRUE(transaction.Flip(0, some));
  EXPECT_EQ(device.flushes, 2u);
}

TEST_F(TransactionTest, CutsOffATailThatNothingCounts) {
  ASSERT_TRUE(transaction.CutTail());
  EXPECT_EQ(device.size_bytes(), 4u << kBits);
}

TEST_F(TransactionTest, LeavesAFixedLengthAlone) {
  device.fixed_length = true;
  ASSERT_TRUE(transaction.CutTail());
  ASSERT_TRUE(transaction.Lengthen(100 << kBits, Preallocation::kOff));
  ASSERT_TRUE(transaction.CutTo(1 << kBits));
  EXPECT_EQ(device.size_bytes(), 6u << kBits);
}

TEST_F(TransactionTest, UndoGivesTheFileItsOldLength) {
  ASSERT_EQ(space.Take(9).value(), 4u);
  ASSERT_TRUE(transaction.Write(12 << kBits, some));
  EXPECT_EQ(device.size_bytes(), 13u << kBits);
  transaction.Undo();
  EXPECT_EQ(device.size_bytes(), 6u << kBits);
}

TEST_F(TransactionTest, AfterTheFlipNothingIsUndone) {
  ASSERT_EQ(space.Take(9).value(), 4u);
  ASSERT_TRUE(transaction.Write(12 << kBits, some));
  ASSERT_TRUE(transaction.Flip(0, some));
  transaction.Undo();
  EXPECT_EQ(device.size_bytes(), 13u << kBits);
}

}  // namespace
}  // namespace instar
