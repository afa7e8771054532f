#include "cli/text_output.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace instar::cli {
namespace {

class TextOutputTest : public ::testing::Test {
 protected:
  TextOutput Open(std::uint64_t max_bytes = TextOutput::kNoLimit) {
    return {max_bytes, [this](std::string_view piece) {
              pieces_.emplace_back(piece);
              return result_;
            }};
  }
  [[nodiscard]] std::string Printed() const {
    std::string all;
    for (const std::string& piece : pieces_) all += piece;
    return all;
  }

  std::vector<std::string> pieces_;
  int result_ = 0;
};

TEST_F(TextOutputTest, ShortTextIsPrintedAtOnce) {
  TextOutput out = Open();
  out.Add("a ");
  out.AddNumber(std::uint64_t{18446744073709551615u});
  out.AddSpaces(70);
  out.AddNumber(std::int64_t{-7});
  out.Add('\n');
  EXPECT_TRUE(pieces_.empty());
  EXPECT_EQ(out.Finish(), 0);
  ASSERT_EQ(pieces_.size(), 1u);
  EXPECT_EQ(pieces_[0], "a 18446744073709551615" + std::string(70, ' ') + "-7\n");
}

TEST_F(TextOutputTest, LongTextIsPrintedInPiecesOfBoundedSize) {
  TextOutput out = Open();
  const std::string text(1'000'003, 'x');
  out.Add(text);
  EXPECT_EQ(out.Finish(), 0);
  for (const std::string& piece : pieces_) EXPECT_LE(piece.size(), TextOutput::kPieceBytes);
  EXPECT_EQ(Printed(), text);
}

TEST_F(TextOutputTest, TextOfExactlyTheLimitIsPrintedWhole) {
  TextOutput out = Open(5);
  out.Add("abc");
  out.Add("de");
  EXPECT_FALSE(out.failed());
  EXPECT_EQ(out.Finish(), 0);
  EXPECT_EQ(Printed(), "abcde");
}

TEST_F(TextOutputTest, BeyondTheLimitNothingIsPrintedAndItFails) {
  TextOutput out = Open(5);
  out.Add("abc");
  out.Add("def");
  EXPECT_TRUE(out.failed());
  out.Add("g");
  EXPECT_EQ(out.Finish(), 1);
  EXPECT_EQ(Printed(), "abcde");
}

TEST_F(TextOutputTest, AFailureToPrintIsKeptAndNothingFollows) {
  result_ = 1;
  TextOutput out = Open();
  for (int i = 0; i < 10; ++i) out.Add(std::string(TextOutput::kPieceBytes, 'x'));
  EXPECT_TRUE(out.failed());
  EXPECT_EQ(out.Finish(), 1);
  EXPECT_EQ(pieces_.size(), 1u);
}

}  // namespace
}  // namespace instar::cli
