#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/arguments_test.h"
#include "cli/commands.h"

namespace instar::cli {
namespace {

using ::testing::HasSubstr;

OrStop<DdCommand> Read(const std::string& line) { return ReadLine<DdCommand>("dd", line); }

TEST(DdArguments, OperandsAndOptionsMayBeMixed) {
  for (const char* line : {"-f raw -O qcow2 -U bs=4k count=3 skip=2 if=a of=b",
                           "if=a --format=raw of=b skip=2 --output-format qcow2 count=3 bs=4k "
                           "--force-share",
                           "bs=1 if=x bs=0x1000 of=b count=3 skip=2 -fraw if=a -UOqcow2"}) {
    const auto command = Read(line);
    ASSERT_TRUE(command) << line << ": " << command.error().text;
    EXPECT_EQ(command->options.source.path, "a");
    EXPECT_EQ(command->options.target, "b");
    EXPECT_EQ(command->options.source.format, "raw");
    EXPECT_EQ(command->options.target_format, "qcow2");
    EXPECT_EQ(command->options.block_bytes, 4096u);
    EXPECT_EQ(command->options.count, 3u);
    EXPECT_EQ(command->options.skip, 2u);
    EXPECT_TRUE(command->options.force_share);
  }
}

TEST(DdArguments, BlocksOf512AndAllOfTheDiskAreTheDefault) {
  const auto command = Read("if=a=b of=c");
  ASSERT_TRUE(command);
  EXPECT_EQ(command->options.source.path, "a=b");
  EXPECT_EQ(command->options.block_bytes, 512u);
  EXPECT_FALSE(command->options.count.has_value());
  EXPECT_EQ(command->options.skip, 0u);
  EXPECT_EQ(command->options.target_format, "raw");
}

TEST(DdArguments, MistakesAreToldAsByQemuImg) {
  struct Case {
    const char* line;
    const char* text;
  };
  for (const Case& c : {
           Case{"", "Must specify both input and output files"},
           Case{"if=a", "Must specify both input and output files"},
           Case{"seek=1 if=a of=b", "unrecognized operand seek"},
           Case{"if=a of=b extra", "unrecognized operand extra"},
           Case{"bs=0 if=a of=b", "Invalid bs specified. Must be between 1 and 2147483647."},
           Case{"bs=2G if=a of=b", "Invalid bs specified. Must be between 1 and 2147483647."},
           Case{"bs=x if=a of=b", "Invalid bs specified. You may use"},
           Case{"count= if=a of=b", "Invalid count specified. You may use"},
           Case{"skip=8E if=a of=b", "Invalid skip specified. Must be between 0 and"},
           Case{"-n if=a of=b", "invalid option -- 'n'"},
       }) {
    const auto command = Read(c.line);
    ASSERT_FALSE(command) << c.line;
    EXPECT_THAT(command.error().text, HasSubstr(c.text)) << c.line;
  }
}

}  // namespace
}  // namespace instar::cli
