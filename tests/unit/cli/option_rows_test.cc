#include "cli/option_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace instar::cli {
namespace {

struct Inner {
  bool flag = false;
  bool on = true;
  std::uint64_t bytes = 0;
  std::optional<unsigned> count;
};
struct Target {
  int before = 0;
  Inner inner;
  std::string text;
  std::optional<std::string> called;
};

OrStop<unsigned> ReadShort(const GivenOption& given) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t number, ReadNumber(given, "count", 1, 4));
  return static_cast<unsigned>(number);
}

OrStop<void> TakeCall(Target& target, GivenOption& given) {
  if (given.value == "bad") return UsageError("bad " + given.spelling);
  target.called = given.value;
  return {};
}

constexpr Choice<int> kColours[] = {{"red", 3}, {"blue", 5}};

constexpr OptionRow kRows[] = {
    Flag<&Target::inner, &Inner::flag>("flag,f", "x"),
    Set<false, &Target::inner, &Inner::on>("off", "x"),
    Text<&Target::text>("text,t", "WORDS", "x"),
    Size<"size of it", &Target::inner, &Inner::bytes>("size", "x"),
    Number<"number of it", 2, 4, &Target::before>("number,n", "x"),
    Value<ReadShort, &Target::inner, &Inner::count>("count", "N", "x"),
    Call<TakeCall>("call", kAlternatives<kColours>.data(), "x"),
};

std::string Apply(std::vector<std::string> words, Target& target) {
  const std::array tables = {OptionTable{.rows = kRows, .target = &target}};
  Arguments given = ReadArguments(tables, words, Operands::kMixed);
  EXPECT_FALSE(given.fault);
  for (GivenOption& option : given.options) {
    if (const auto taken = option.Take(); !taken) return taken.error().text;
  }
  return {};
}

TEST(OptionRows, EachSetsItsMemberAndNoOther) {
  Target target;
  EXPECT_EQ(
      Apply({"-f", "--off", "-t", "a b", "--size=2k", "-n3", "--count=4", "--call", "red"}, target),
      "");
  EXPECT_TRUE(target.inner.flag);
  EXPECT_FALSE(target.inner.on);
  EXPECT_EQ(target.text, "a b");
  EXPECT_EQ(target.inner.bytes, 2048u);
  EXPECT_EQ(target.before, 3);
  EXPECT_EQ(target.inner.count, 4u);
  EXPECT_EQ(target.called, "red");
  Target untouched;
  EXPECT_EQ(Apply({}, untouched), "");
  EXPECT_TRUE(!untouched.inner.flag && untouched.inner.on && untouched.text.empty() &&
              untouched.inner.bytes == 0 && untouched.before == 0 && !untouched.inner.count &&
              !untouched.called);
}

TEST(OptionRows, AValueThatIsWrongStopsAndIsNamed) {
  for (const auto& [word, says] :
       {std::pair{"--size=x", "Invalid size of it specified."},
        std::pair{"-n5", "Invalid number of it. Allowed number of it is between 2 and 4"},
        std::pair{"--count=0", "Invalid count. Allowed count is between 1 and 4"},
        std::pair{"--call=bad", "bad --call"}}) {
    Target target;
    EXPECT_THAT(Apply({word, "-f"}, target), testing::StartsWith(says));
    EXPECT_FALSE(target.inner.flag) << "read on after " << word;
  }
}

TEST(OptionRows, ChoicesAreOneTableForHelpAndCheck) {
  EXPECT_STREQ(kRows[6].value, "red|blue");
  EXPECT_EQ(Choose(kColours, "blue"), 5);
  EXPECT_EQ(Choose(kColours, "re"), std::nullopt);
  EXPECT_EQ(Choose(kColours, ""), std::nullopt);
}

}  // namespace
}  // namespace instar::cli
