#include "formats/base/option_list.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace instar {
namespace {

std::vector<std::string> Items(std::string_view list) {
  std::vector<std::string> out;
  OptionList items(list);
  while (const auto item = items.Next()) {
    std::string text(item->name);
    if (item->has_value) {
      text += '=';
      AppendOptionText(item->value, text);
    }
    out.push_back(text);
  }
  return out;
}

TEST(OptionList, SplitsAtSingleCommasOnly) {
  EXPECT_EQ(Items("a=1,b=2"), (std::vector<std::string>{"a=1", "b=2"}));
  EXPECT_EQ(Items("name=a,,b,c=,d"), (std::vector<std::string>{"name=a,b", "c=", "d"}));
  EXPECT_EQ(Items("x=,,,,y"), (std::vector<std::string>{"x=,,y"}));
  EXPECT_EQ(Items("v=a=b"), (std::vector<std::string>{"v=a=b"}));
  EXPECT_TRUE(Items("").empty());
}

TEST(OptionList, ListsWithEmptyItemsAreMalformed) {
  for (const char* good : {"a", "a=1", "a=,b", "a=1,,2", "a=1,,"}) {
    EXPECT_TRUE(OptionList::WellFormed(good)) << good;
  }
  for (const char* bad : {"", ",", "a,", ",a", "a=1,,,b=2,", "a=1,"}) {
    EXPECT_FALSE(OptionList::WellFormed(bad)) << bad;
  }
}

struct SizeCase {
  const char* text;
  std::optional<std::uint64_t> bytes;
};

TEST(OptionList, SizesAreReadAsQemuImgReadsThem) {
  for (const SizeCase& c : {SizeCase{"0", 0},
                            SizeCase{"512", 512},
                            SizeCase{"64k", 65536},
                            SizeCase{"64K", 65536},
                            SizeCase{"2M", 2 << 20},
                            SizeCase{"1.5k", 1536},
                            SizeCase{"0.5G", 512ULL << 20},
                            SizeCase{"3b", 3},
                            SizeCase{"7E", 7ULL << 60},
                            SizeCase{"0x10", 16},
                            SizeCase{"010", 10},
                            SizeCase{"", std::nullopt},
                            SizeCase{"-1", std::nullopt},
                            SizeCase{"64kb", std::nullopt},
                            SizeCase{"abc", std::nullopt},
                            SizeCase{"1.", std::nullopt},
                            SizeCase{".5k", std::nullopt},
                            SizeCase{"16E", std::nullopt},
                            SizeCase{"18446744073709551616", std::nullopt},
                            SizeCase{"18446744073709551615", ~0ULL},
                            SizeCase{"1k ", std::nullopt}}) {
    EXPECT_EQ(ParseOptionSize(c.text), c.bytes) << c.text;
  }
}

TEST(OptionList, NumbersMayBeDecimalOctalOrHexadecimal) {
  EXPECT_EQ(ParseOptionNumber("16"), 16U);
  EXPECT_EQ(ParseOptionNumber("0x1F"), 31U);
  EXPECT_EQ(ParseOptionNumber("020"), 16U);
  EXPECT_EQ(ParseOptionNumber("0"), 0U);
  for (const char* bad : {"", "x", "16k", "-1", "09", "0x", "18446744073709551616"}) {
    EXPECT_EQ(ParseOptionNumber(bad), std::nullopt) << bad;
  }
}

TEST(OptionList, BooleansHaveFourWordsEach) {
  for (const char* on : {"on", "yes", "true", "y"}) EXPECT_EQ(ParseOptionBoolean(on), true);
  for (const char* off : {"off", "no", "false", "n"}) EXPECT_EQ(ParseOptionBoolean(off), false);
  for (const char* bad : {"", "maybe", "ON", "1"}) EXPECT_EQ(ParseOptionBoolean(bad), std::nullopt);
}

}  // namespace
}  // namespace instar
