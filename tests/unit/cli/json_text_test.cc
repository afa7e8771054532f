#include "cli/json_text.h"

#include <gtest/gtest.h>

#include <string>

#include "cli/printed.h"
#include "support/report_of.h"

namespace instar::cli {
namespace {

using vmm::ReportTree;

std::string JsonOf(const ReportTree& value) {
  return Printed([&value](TextOutput& out) { JsonWriter(out).Value({}, value); });
}

TEST(JsonText, OneMemberALineFourSpacesALevel) {
  EXPECT_EQ(JsonOf(vmm::ReportOf([](ReportSink& sink) {
              sink.Unsigned("number", 18446744073709551615ull);
              sink.Signed("negative", -1);
              sink.BeginObject("inner");
              sink.Boolean("flag", true);
              sink.EndObject();
              sink.BeginArray("list");
              sink.String({}, "a");
              sink.String({}, "b");
              sink.EndArray();
            })),
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
  EXPECT_EQ(JsonOf(vmm::ReportOf([](ReportSink& sink) {
              sink.BeginArray("flags");
              sink.EndArray();
              sink.BeginObject("data");
              sink.EndObject();
            })),
            "{\n    \"flags\": [\n    ],\n    \"data\": {\n    }\n}");
}

TEST(JsonText, NothingIsPrintedAnyMoreWhenPrintingFailed) {
  int pieces = 0;
  TextOutput out(TextOutput::kNoLimit, [&pieces](std::string_view) {
    ++pieces;
    return 1;
  });
  JsonWriter json(out);
  json.BeginArray({});
  for (int i = 0; i < 1000; ++i) json.String({}, std::string(1000, 'x'));
  json.EndArray();
  EXPECT_EQ(out.Finish(), 1);
  EXPECT_EQ(pieces, 1);
}

// As qemu-img 7.2 prints a backing file of that name.
TEST(JsonText, AllButAsciiIsEscapedAsQemuImgDoes) {
  EXPECT_EQ(JsonString("we\xffird\x1b[31m\u202e\u00e9\x7f\tx \"q\" \U0001F600"),
            "\"we\\uFFFDird\\u001B[31m\\u202E\\u00E9\\u007F\\tx \\\"q\\\" \\uD83D\\uDE00\"");
}

TEST(JsonText, EscapesOfStringsAreTheShortOnesOfJson) {
  EXPECT_EQ(JsonString("\\ / \b \f \n \r"), "\"\\\\ / \\b \\f \\n \\r\"");
  EXPECT_EQ(JsonString(std::string("\0", 1)), "\"\\u0000\"");
}

TEST(JsonText, WhatIsNotUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(JsonString("\xc0\xaf"), "\"\\uFFFD\\uFFFD\"");
  EXPECT_EQ(JsonString("\xe2\x82"), "\"\\uFFFD\"");
  EXPECT_EQ(JsonString("a\x80z"), "\"a\\uFFFDz\"");
  EXPECT_EQ(JsonString("\xed\xa0\x80"), "\"\\uFFFD\"");
}

TEST(JsonText, KeysAreEscapedToo) {
  EXPECT_EQ(Printed([](TextOutput& out) {
              JsonWriter json(out);
              json.BeginObject({});
              json.Boolean("a\"b", false);
              json.EndObject();
            }),
            "{\n    \"a\\\"b\": false\n}");
}

}  // namespace
}  // namespace instar::cli
