#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/arguments_test.h"
#include "cli/commands.h"

namespace instar::cli {
namespace {

using ::testing::HasSubstr;

OrStop<InfoCommand> Read(const std::string& line) { return ReadLine<InfoCommand>("info", line); }

TEST(InfoArguments, BothSpellingsOfEachOptionAreTaken) {
  for (const char* line : {"-f qcow2 -U --output json --backing-chain disk",
                           "--format=qcow2 --force-share --output=json --backing-chain disk",
                           "disk --backing -Ufqcow2 --out json"}) {
    const auto command = Read(line);
    ASSERT_TRUE(command) << line << ": " << command.error().text;
    EXPECT_EQ(command->options.image.path, "disk");
    EXPECT_EQ(command->options.image.format, "qcow2");
    EXPECT_TRUE(command->options.backing_chain);
    EXPECT_TRUE(command->options.force_share);
    EXPECT_TRUE(command->image.json);
  }
}

TEST(InfoArguments, DefaultsAreHumanAndProbing) {
  const auto command = Read("disk");
  ASSERT_TRUE(command);
  EXPECT_FALSE(command->image.json);
  EXPECT_EQ(command->options.image.format, "");
  EXPECT_FALSE(command->options.backing_chain);
  EXPECT_FALSE(command->options.force_share);
}

TEST(InfoArguments, MistakesAreToldAsByQemuImg) {
  struct Case {
    const char* line;
    Stop::Kind kind;
    const char* text;
  };
  const Case kCases[] = {
      {"", Stop::Kind::kUsage, "Expecting one image file name"},
      {"a b", Stop::Kind::kUsage, "Expecting one image file name"},
      {"--output=xml a", Stop::Kind::kError,
       "--output must be used with human or json as argument."},
      {"--output=xml a b", Stop::Kind::kUsage, "Expecting one image file name"},
      {"--output", Stop::Kind::kOption, "option '--output' requires an argument"},
      {"-f", Stop::Kind::kOption, "option requires an argument -- 'f'"},
      {"-Z a", Stop::Kind::kOption, "invalid option -- 'Z'"},
      {"--o json a", Stop::Kind::kOption,
       "option '--o' is ambiguous; possibilities: '--output' '--object'"},
      {"--qemu-version=10.0 --output", Stop::Kind::kOption,
       "missing argument for option '--output'"},
      {"--qemu-version=10.0 -Z a", Stop::Kind::kOption, "unrecognized option '-Z'"},
      {"--object a b", Stop::Kind::kError, "--object is not available in this version"},
      {"--image-opts -f raw a", Stop::Kind::kError,
       "--image-opts and --format are mutually exclusive"},
      {"--image-opts driver=qcow2,file.filename=a,backing.driver=raw", Stop::Kind::kError,
       "Could not open 'driver=qcow2,file.filename=a,backing.driver=raw': info does not support "
       "the "
       "option 'backing'"},
      {"--workers=99 a", Stop::Kind::kError,
       "Invalid number of workers. Allowed number of workers is between 1 and 16"},
  };
  for (const Case& c : kCases) {
    const auto command = Read(c.line);
    ASSERT_FALSE(command) << c.line;
    EXPECT_EQ(command.error().kind, c.kind) << c.line;
    EXPECT_EQ(command.error().text, c.text);
  }
}

TEST(InfoArguments, HelpNamesEveryOption) {
  const auto command = Read("--help");
  ASSERT_FALSE(command);
  EXPECT_EQ(command.error().kind, Stop::Kind::kAnswer);
  for (const char* option :
       {"-f, --format FORMAT", "--output human|json", "--backing-chain", "-U, --force-share",
        "--isolation auto|kvm|process|none", "--allow-path DIR"}) {
    EXPECT_THAT(command.error().text, HasSubstr(option));
  }
}

}  // namespace
}  // namespace instar::cli
