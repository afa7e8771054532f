#include "cli/json_text.h"

#include <gtest/gtest.h>

namespace instar::cli {
namespace {

using vmm::ReportValue;

std::string Quoted(const std::string& text) { return JsonText(ReportValue(text)); }

TEST(JsonText, OneMemberALineFourSpacesALevel) {
  ReportValue::Object inner;
  inner.emplace_back("flag", ReportValue(true));
  ReportValue::Object outer;
  outer.emplace_back("number", ReportValue(std::uint64_t{18446744073709551615ull}));
  outer.emplace_back("negative", ReportValue(std::int64_t{-1}));
  outer.emplace_back("inner", ReportValue(std::move(inner)));
  outer.emplace_back("list", ReportValue(ReportValue::Array{ReportValue(std::string("a")),
                                                            ReportValue(std::string("b"))}));
  EXPECT_EQ(JsonText(ReportValue(std::move(outer))),
            "{\n"
            "    \"number\": 18446744073709551615,\n"
            "    \"negative\": -1,\n"
            "    \"inner\": {\n"
            "        \"flag\": true\n"
            "    },\n"
            "    \"list\": [\n"
            "        \"a\",\n"
            "        \"b\"\n"
            "    ]\n"
            "}");
}

TEST(JsonText, EmptyContainersTakeTwoLinesAsInQemuImg) {
  ReportValue::Object object;
  object.emplace_back("flags", ReportValue(ReportValue::Array{}));
  object.emplace_back("data", ReportValue(ReportValue::Object{}));
  EXPECT_EQ(JsonText(ReportValue(std::move(object))),
            "{\n    \"flags\": [\n    ],\n    \"data\": {\n    }\n}");
}

// As qemu-img 7.2 prints a backing file of that name.
TEST(JsonText, AllButAsciiIsEscapedAsQemuImgDoes) {
  EXPECT_EQ(Quoted("we\xffird\x1b[31m\u202e\u00e9\x7f\tx \"q\" \U0001F600"),
            "\"we\\uFFFDird\\u001B[31m\\u202E\\u00E9\\u007F\\tx \\\"q\\\" \\uD83D\\uDE00\"");
}

TEST(JsonText, EscapesOfStringsAreTheShortOnesOfJson) {
  EXPECT_EQ(Quoted("\\ / \b \f \n \r"), "\"\\\\ / \\b \\f \\n \\r\"");
  EXPECT_EQ(Quoted(std::string("\0", 1)), "\"\\u0000\"");
}

TEST(JsonText, WhatIsNotUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(Quoted("\xc0\xaf"), "\"\\uFFFD\\uFFFD\"");
  EXPECT_EQ(Quoted("\xe2\x82"), "\"\\uFFFD\"");
  EXPECT_EQ(Quoted("a\x80z"), "\"a\\uFFFDz\"");
  EXPECT_EQ(Quoted("\xed\xa0\x80"), "\"\\uFFFD\"");
}

TEST(JsonText, KeysAreEscapedToo) {
  ReportValue::Object object;
  object.emplace_back("a\"b", ReportValue(false));
  EXPECT_EQ(JsonText(ReportValue(std::move(object))), "{\n    \"a\\\"b\": false\n}");
}

}  // namespace
}  // namespace instar::cli
