#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/arguments_test.h"
#include "cli/commands.h"

namespace instar::cli {
namespace {

using ::testing::HasSubstr;

OrStop<CreateCommand> Read(const std::string& line) {
  return ReadLine<CreateCommand>("create", line);
}

TEST(CreateArguments, BothSpellingsOfEachOptionAreTaken) {
  for (const char* line :
       {"-f qcow2 -o a=1 -o b=2 -b base -F raw -u -q disk 1.5k",
        "--format=qcow2 --options=a=1 --options b=2 --backing=base --backing-format=raw "
        "--backing-unsafe --quiet disk 1536",
        "disk -fqcow2 0x600 -oa=1,b=2 -bbase -B raw -uq"}) {
    const auto command = Read(line);
    ASSERT_TRUE(command) << line << ": " << command.error().text;
    EXPECT_EQ(command->options.path, "disk");
    EXPECT_EQ(command->options.format, "qcow2");
    EXPECT_EQ(command->options.format_options, "a=1,b=2");
    EXPECT_EQ(command->options.size_bytes, 1536u);
    EXPECT_EQ(command->options.backing_file, "base");
    EXPECT_EQ(command->options.backing_format, "raw");
    EXPECT_FALSE(command->options.check_backing);
    EXPECT_TRUE(command->quiet);
  }
}

TEST(CreateArguments, DefaultsAreRawAndACheckedBackingFile) {
  const auto command = Read("disk");
  ASSERT_TRUE(command);
  EXPECT_EQ(command->options.format, "raw");
  EXPECT_FALSE(command->options.size_bytes.has_value());
  EXPECT_TRUE(command->options.check_backing);
  EXPECT_FALSE(command->quiet);
}

TEST(CreateArguments, MistakesAreToldAsByQemuImg) {
  struct Case {
    const char* line;
    const char* text;
  };
  for (const Case& c : {
           Case{"", "Expecting image file name"},
           Case{"disk 1M 2M", "Unexpected argument: 2M"},
           Case{"disk 1q", "Invalid image size specified."},
           Case{"disk 8E", "Must be between 0 and 9223372036854775807."},
           Case{"-o '' disk 1M", "Invalid option list: "},
           Case{"-b '' disk 1M", "disk: Expected backing file name, got empty string"},
           Case{"-b base -F '' disk", "disk: Unknown driver ''"},
           Case{"--object secret,id=s disk 1M", "--object is not available"},
       }) {
    const auto command = Read(c.line);
    ASSERT_FALSE(command) << c.line;
    EXPECT_THAT(command.error().text, HasSubstr(c.text)) << c.line;
    EXPECT_NE(command.error().kind, Stop::Kind::kAnswer) << c.line;
  }
}

TEST(CreateArguments, HelpOfAFormatNeedsNoFile) {
  for (const char* line : {"-f qcow2 -o help", "-f qcow2 -o cluster_size=4k,help disk 1M"}) {
    const auto command = Read(line);
    ASSERT_FALSE(command);
    EXPECT_EQ(command.error().kind, Stop::Kind::kAnswer);
    EXPECT_THAT(command.error().text, HasSubstr("refcount_bits=<num>"));
  }
}

}  // namespace
}  // namespace instar::cli
