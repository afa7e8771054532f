#include "formats/base/create_options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace instar {
namespace {

std::string FaultOf(FormatId format, std::string_view list) {
  const auto read = CreateOptionList::Read(format, list);
  if (read) return "";
  std::string text;
  for (const std::string_view piece : read.error()) text += piece;
  return text;
}

TEST(CreateOptions, FaultsNameTheOptionAsQemuImgDoes) {
  const auto fault = [](const char* list) { return FaultOf(FormatId::kQcow2, list); };
  EXPECT_EQ(fault("foo=1"), "Invalid parameter 'foo'");
  EXPECT_EQ(fault("a"), "Invalid parameter 'a'");
  EXPECT_EQ(fault("=3"), "Invalid parameter ''");
  EXPECT_EQ(fault("compat=0.11"), "Parameter 'version' does not accept value '0.11'");
  EXPECT_EQ(fault("compression_type=ZSTD"),
            "Parameter 'compression-type' does not accept value 'ZSTD'");
  EXPECT_EQ(fault("preallocation=foo"), "Parameter 'preallocation' does not accept value 'foo'");
  EXPECT_EQ(fault("lazy_refcounts=maybe"), "Parameter 'lazy_refcounts' expects 'on' or 'off'");
  EXPECT_EQ(fault("refcount_bits=x"), "Parameter 'refcount_bits' expects a number");
  EXPECT_TRUE(
      fault("cluster_size=abc").starts_with("Parameter 'cluster_size' expects a non-negative"));
  EXPECT_EQ(fault("cluster_size=64k,"), "Invalid option list: cluster_size=64k,");
  EXPECT_EQ(FaultOf(FormatId::kRaw, "cluster_size=64k"), "Invalid parameter 'cluster_size'");
}

TEST(CreateOptions, ALevelOfCompressionIsADecimalNumber) {
  for (const FormatId format : {FormatId::kQcow2, FormatId::kVmdk}) {
    EXPECT_EQ(FaultOf(format, "compression_level=9"), "");
    for (const char* level : {"+3", "0x3", " 3", "3 ", "x"}) {
      EXPECT_EQ(FaultOf(format, std::string("compression_level=") + level),
                "Parameter 'compression_level' expects a number")
          << level;
    }
  }
}

TEST(CreateOptions, GoodListsHaveNoFault) {
  for (const char* list : {"", "cluster_size=64k,compat=1.1", "lazy_refcounts", "nolazy_refcounts",
                           "backing_file=a,,b.qcow2,backing_fmt=qcow2", "nocow=on",
                           "encryption=off", "refcount_bits=0x10"}) {
    EXPECT_EQ(FaultOf(FormatId::kQcow2, list), "") << list;
  }
  EXPECT_EQ(FaultOf(FormatId::kRaw, "preallocation=full,nocow=on,extent_size_hint=1M"), "");
}

TEST(CreateOptions, ABooleanAloneIsOnAndWithNoInFrontOff) {
  EXPECT_EQ(ReadOption(FormatId::kQcow2, {.name = "extended_l2", .value = ""})->number, 1U);
  EXPECT_EQ(ReadOption(FormatId::kQcow2, {.name = "noextended_l2", .value = ""})->number, 0U);
  EXPECT_EQ(ReadOption(FormatId::kQcow2, {.name = "nocow", .value = ""})->number, 1U);
}

TEST(CreateOptions, TheLastOfSeveralValuesCounts) {
  EXPECT_EQ(OptionValue("data_file=a,compat=v3,data_file=b,,c", "data_file"), "b,,c");
  EXPECT_EQ(OptionValue("data_file=a", "data"), std::nullopt);
}

TEST(CreateOptions, SettingsHoldNumbersAndTextsWithSingleCommas) {
  const auto read = CreateOptionList::Read(
      FormatId::kQcow2, "cluster_size=4k,backing_file=a,,b,nolazy_refcounts,backing_file=c");
  ASSERT_TRUE(read);
  const OptionSettings settings = read->settings();
  ASSERT_EQ(settings.size(), 4u);
  EXPECT_EQ(settings[0].name, "cluster_size");
  EXPECT_EQ(settings[0].number, 4096u);
  EXPECT_EQ(settings[1].text, "a,b");
  EXPECT_EQ(FindSetting(settings, "lazy_refcounts")->number, 0u);
  EXPECT_EQ(SettingText(settings, "backing_file"), "c");
  EXPECT_EQ(FindSetting(settings, "compat"), nullptr);
}

TEST(CreateOptions, HelpIsAskedForByNameAlone) {
  EXPECT_TRUE(AsksForHelp("help"));
  EXPECT_TRUE(AsksForHelp("compat=v3,?"));
  EXPECT_FALSE(AsksForHelp("backing_file=help"));
  EXPECT_FALSE(AsksForHelp(""));
}

TEST(CreateOptions, TablesAreSortedAsHelpListsThem) {
  for (const FormatProperties& format : kFormatProperties) {
    EXPECT_TRUE(std::ranges::is_sorted(format.options, {}, &OptionSpec::name));
  }
}

TEST(CreateOptions, WhatIsShownOfANewImageIsAnOptionOfIt) {
  for (const FormatProperties& format : kFormatProperties) {
    OptionList shown(format.shown_options);
    while (const auto option = shown.Next()) {
      EXPECT_NE(FindOption(format.id, option->name), nullptr) << option->name;
    }
  }
}

}  // namespace
}  // namespace instar
