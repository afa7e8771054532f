#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace instar::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr OptionRow kRows[] = {
    {"progress,p", nullptr, "show progress"},
    {"quiet,q", nullptr, "be quiet"},
    {"target-format,O", "FORMAT", "format\nof the target"},
    {"output", "FORM", "form"},
    {"object", "DEFINITION", ""},
    {"target-is-zero", nullptr, "zero"},
    {",B", "FILE", ""},
};

Arguments Read(std::vector<std::string> arguments, Operands operands = Operands::kMixed) {
  const std::array tables = {OptionTable{.rows = kRows}};
  return ReadArguments(tables, arguments, operands);
}

// "number of its row=value" of each option, and the operands, in one line.
std::string Summary(const Arguments& arguments, const OptionRow* rows = kRows,
                    QemuVersion version = {7, 2}) {
  std::string text;
  for (const GivenOption& option : arguments.options) {
    text += std::to_string(option.row - rows + 1) + "=" + option.value + " ";
  }
  text += "|";
  for (const std::string& operand : arguments.operands) text += " " + operand;
  if (arguments.fault) text += " !" + arguments.fault->Text(version);
  return text;
}

struct CommandLine {
  std::vector<std::string> arguments;
  std::string summary;
  std::string newer_fault = "";  // of the newest version; the summary has the older one
};

TEST(Options, CommandLinesAreCutAsGetoptLongCutsThem) {
  const CommandLine kLines[] = {
      {{}, "|"},
      {{"-p", "-q"}, "1= 2= |"},
      {{"-pq"}, "1= 2= |"},
      {{"-O", "qcow2", "a"}, "3=qcow2 | a"},
      {{"-Oqcow2", "a"}, "3=qcow2 | a"},
      {{"-O=qcow2"}, "3==qcow2 |"},
      {{"-pOqcow2"}, "1= 3=qcow2 |"},
      {{"-pO", "qcow2"}, "1= 3=qcow2 |"},
      {{"-O", "-p"}, "3=-p |"},
      {{"-O", ""}, "3= |"},
      {{"--target-format", "raw"}, "3=raw |"},
      {{"--target-format=raw"}, "3=raw |"},
      {{"--target-format="}, "3= |"},
      {{"--target-f=raw"}, "3=raw |"},
      {{"--target-i"}, "6= |"},
      {{"a", "-p", "b", "--quiet"}, "1= 2= | a b"},
      {{"-p", "--", "-q", "--x"}, "1= | -q --x"},
      {{"-", "-p"}, "1= | -"},
      {{"-B", "x"}, "7=x |"},
      {{"-Bx", ""}, "7=x | "},
  };
  for (const CommandLine& line : kLines) {
    EXPECT_EQ(Summary(Read(line.arguments)), line.summary)
        << testing::PrintToString(line.arguments);
  }
}

TEST(Options, TheFirstMistakeEndsTheReadingAndIsWordedByVersion) {
  const CommandLine kLines[] = {
      {{"-Z"}, "| !unrecognized option '-Z'", "invalid option -- 'Z'"},
      {{"-pZq"}, "1= | !unrecognized option '-Z'", "invalid option -- 'Z'"},
      {{"--nope"}, "| !unrecognized option '--nope'", "unrecognized option '--nope'"},
      {{"--nope=3"}, "| !unrecognized option '--nope=3'", "unrecognized option '--nope=3'"},
      {{"--target"},
       "| !unrecognized option '--target'",
       "option '--target' is ambiguous; possibilities: '--target-format' '--target-is-zero'"},
      {{"--o=json"},
       "| !unrecognized option '--o=json'",
       "option '--o=json' is ambiguous; possibilities: '--output' '--object'"},
      {{"--progress=3"},
       "| !unrecognized option '--progress=3'",
       "option '--progress' doesn't allow an argument"},
      {{"--output"},
       "| !missing argument for option '--output'",
       "option '--output' requires an argument"},
      {{"--out"},
       "| !missing argument for option '--out'",
       "option '--output' requires an argument"},
      {{"-q", "-O"},
       "2= | !missing argument for option '-O'",
       "option requires an argument -- 'O'"},
      {{"-p", "-Z", "-q", "a"}, "1= | !unrecognized option '-Z'", "invalid option -- 'Z'"},
  };
  for (const CommandLine& line : kLines) {
    SCOPED_TRACE(testing::PrintToString(line.arguments));
    const Arguments read = Read(line.arguments);
    EXPECT_EQ(Summary(read), line.summary);
    ASSERT_TRUE(read.fault);
    EXPECT_EQ(read.fault->Text(kNewestQemuVersion), line.newer_fault);
  }
}

TEST(Options, AnExactLongNameIsNotAmbiguousWithALongerOne) {
  static constexpr OptionRow kBitmaps[] = {{"bitmaps", nullptr, "x"},
                                           {"bitmaps-only", nullptr, "y"}};
  const std::array tables = {OptionTable{.rows = kBitmaps}};
  const std::vector<std::string> arguments = {"--bitmaps"};
  EXPECT_EQ(Summary(ReadArguments(tables, arguments, Operands::kMixed), kBitmaps), "1= |");
}

TEST(Options, SpellingIsKeptForMessages) {
  const Arguments arguments = Read({"--target-f=raw", "-Oraw"});
  ASSERT_EQ(arguments.options.size(), 2u);
  EXPECT_EQ(arguments.options[0].spelling, "--target-f");
  EXPECT_EQ(arguments.options[1].spelling, "-O");
}

TEST(Options, TheFirstOperandMayEndTheOptions) {
  const Arguments arguments = Read({"-p", "info", "-q", "--nope"}, Operands::kEndOptions);
  EXPECT_EQ(Summary(arguments), "1= |");
  EXPECT_EQ(arguments.first_operand, 1u);
  EXPECT_EQ(Read({"-p", "--", "info"}, Operands::kEndOptions).first_operand, 2u);
  EXPECT_EQ(Read({"-p"}, Operands::kEndOptions).first_operand, 1u);
}

TEST(Options, WhereTwoTablesHaveANameTheFirstTableCounts) {
  static constexpr OptionRow kStrict[] = {{"strict,s", nullptr, "x"}};
  static constexpr OptionRow kCommon[] = {{"strict", nullptr, "y"}, {"workers", "N", "z"}};
  int first = 0;
  int second = 0;
  const std::array tables = {OptionTable{.rows = kStrict, .target = &first},
                             OptionTable{.rows = kCommon, .target = &second}};
  const std::vector<std::string> words = {"--strict", "--workers=2"};
  const Arguments arguments = ReadArguments(tables, words, Operands::kMixed);
  ASSERT_EQ(arguments.options.size(), 2u);
  EXPECT_EQ(arguments.options[0].row, &kStrict[0]);
  EXPECT_EQ(arguments.options[0].target, &first);
  EXPECT_EQ(arguments.options[1].row, &kCommon[1]);
  EXPECT_EQ(arguments.options[1].target, &second);
  EXPECT_EQ(DescribeOptions(kCommon, kStrict), "  --workers N\n      z\n");
}

TEST(Options, HelpListsLetterThenNamesThenValueAndLeavesOutWhatHasNoText) {
  EXPECT_EQ(DescribeOptions(kRows),
            "  -p, --progress\n      show progress\n"
            "  -q, --quiet\n      be quiet\n"
            "  -O, --target-format FORMAT\n      format\n      of the target\n"
            "  --output FORM\n      form\n"
            "  --target-is-zero\n      zero\n");
}

}  // namespace
}  // namespace instar::cli
