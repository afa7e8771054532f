#include "cli/image_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace instar::cli {
namespace {

using ::testing::HasSubstr;
using Kind = ImageOptionValue::Kind;

std::string Text(ImageOptions& options, std::string_view name) {
  const auto value = options.Take(name);
  return value ? value->text : "absent";
}

ImageOptions Json(std::string_view text) {
  auto options = ImageOptions::FromJson(text);
  EXPECT_TRUE(options.has_value()) << text << ": " << (options ? "" : options.error());
  return options ? *std::move(options) : ImageOptions{};
}

TEST(ImageOptionsList, OfEqualNamesTheLastCounts) {
  ImageOptions options = ImageOptions::FromList("a=1,b=2,a=3");
  EXPECT_EQ(Text(options, "a"), "3");
  EXPECT_EQ(Text(options, "b"), "2");
  EXPECT_TRUE(options.empty());
}

TEST(ImageOptionsList, ADoubledCommaIsPartOfTheValue) {
  ImageOptions options = ImageOptions::FromList("file.filename=a,,b,driver=raw");
  EXPECT_EQ(Text(options, "file.filename"), "a,b");
  EXPECT_EQ(Text(options, "driver"), "raw");
}

TEST(ImageOptionsList, ANameAloneIsOnOrOffButTheFirstIsTheFile) {
  ImageOptions options = ImageOptions::FromList("disk,read-only,noforce-share");
  EXPECT_EQ(Text(options, "file"), "disk");
  EXPECT_EQ(Text(options, "read-only"), "on");
  EXPECT_EQ(Text(options, "force-share"), "off");
}

TEST(ImageOptionsJson, ObjectsAndDottedNamesAreTheSame) {
  for (const char* text : {R"({"file": {"filename": "x"}})", R"({"file.filename": "x"})",
                           R"(  { 'file' : { 'filename' : 'x' } } )"}) {
    ImageOptions options = Json(text);
    EXPECT_EQ(Text(options, "file.filename"), "x") << text;
    EXPECT_TRUE(options.empty());
  }
}

TEST(ImageOptionsJson, ANestedObjectWinsOverADottedNameWhicheverComesFirst) {
  for (const char* text : {R"({"file": {"filename": "x"}, "file.filename": "y"})",
                           R"({"file.filename": "y", "file": {"filename": "x"}})"}) {
    ImageOptions options = Json(text);
    EXPECT_EQ(Text(options, "file.filename"), "x") << text;
  }
}

TEST(ImageOptionsJson, ValuesKeepTheirKind) {
  ImageOptions options = Json(
      R"({"t": "1", "n": 512, "f": 512.0, "x": 1e3, "y": 0.5, "b": true, "o": {}, "z": null})");
  const struct {
    const char* name;
    Kind kind;
    const char* text;
  } kExpected[] = {{"t", Kind::kText, "1"},     {"n", Kind::kNumber, "512"},
                   {"f", Kind::kNumber, "512"}, {"x", Kind::kNumber, "1000"},
                   {"y", Kind::kNumber, "0.5"}, {"b", Kind::kBoolean, "on"},
                   {"o", Kind::kEmpty, ""}};
  for (const auto& expected : kExpected) {
    const auto value = options.Take(expected.name);
    ASSERT_TRUE(value) << expected.name;
    EXPECT_EQ(value->kind, expected.kind) << expected.name;
    EXPECT_EQ(value->text, expected.text) << expected.name;
  }
  EXPECT_FALSE(options.Take("z"));
}

TEST(ImageOptionsJson, SingleQuotesMayHoldDoubleOnesAndEscapes) {
  ImageOptions options = Json(R"({'a': 'say "x" \'y\' \u0041', "b": "it's"})");
  EXPECT_EQ(Text(options, "a"), "say \"x\" 'y' A");
  EXPECT_EQ(Text(options, "b"), "it's");
}

TEST(ImageOptionsJson, ArraysAreNumbered) {
  ImageOptions options = Json(R"({"a": ["x", {"b": "y"}]})");
  EXPECT_EQ(Text(options, "a.0"), "x");
  EXPECT_EQ(Text(options, "a.1.b"), "y");
}

TEST(ImageOptionsJson, WhatIsNoObjectIsRefusedInOneLine) {
  const struct {
    std::string text;
    const char* says;
  } kCases[] = {
      {"", "JSON parse error"},
      {"{", "JSON parse error"},
      {"{} x", "JSON parse error"},
      {R"({"a": 1, "a": 2})", "duplicate key"},
      {R"({"a": {"b": 1, "b": 2}})", "duplicate key"},
      {"[]", "Invalid JSON object given"},
      {"7", "Invalid JSON object given"},
      {"'unfinished", "JSON parse error"},
      {R"({"a": )" + std::string(5000, '[') + std::string(5000, ']') + "}", "too deep"},
  };
  for (const auto& c : kCases) {
    const auto options = ImageOptions::FromJson(c.text);
    ASSERT_FALSE(options) << c.text.substr(0, 40);
    EXPECT_THAT(options.error(), HasSubstr(c.says));
    EXPECT_EQ(options.error().find('\n'), std::string::npos);
  }
}

TEST(ImageOptions, WhatIsBelowANameIsTakenAsAWhole) {
  ImageOptions options = ImageOptions::FromList("a=0,file.a=1,file.b.c=2,filex=3");
  ImageOptions file = options.TakeBelow("file");
  EXPECT_EQ(Text(file, "a"), "1");
  EXPECT_EQ(Text(file, "b.c"), "2");
  EXPECT_TRUE(file.empty());
  EXPECT_EQ(Text(options, "filex"), "3");
  EXPECT_EQ(options.FirstName(), "a");
}

}  // namespace
}  // namespace instar::cli
