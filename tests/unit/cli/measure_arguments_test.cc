#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/arguments_test.h"
#include "cli/commands.h"

namespace instar::cli {
namespace {

using ::testing::HasSubstr;

OrStop<MeasureCommand> Read(const std::string& line) {
  return ReadLine<MeasureCommand>("measure", line);
}

TEST(MeasureArguments, BothSpellingsOfEachOptionAreTaken) {
  for (const char* line : {"-O qcow2 -o a=1 -f raw -l snapshot.id=7 -U --output json disk",
                           "--target-format=qcow2 --target-format-options=a=1 --source-format=raw "
                           "--snapshot=snapshot.id=7 --force-share --output=json disk",
                           "disk -Oqcow2 -oa=1 --format raw -lsnapshot.id=7 -U --out=json"}) {
    const auto command = Read(line);
    ASSERT_TRUE(command) << line << ": " << command.error().text;
    EXPECT_EQ(command->options.image.path, "disk");
    EXPECT_EQ(command->options.target_format, "qcow2");
    EXPECT_EQ(command->options.target_options, "a=1");
    EXPECT_EQ(command->options.image.format, "raw");
    EXPECT_EQ(command->options.snapshot.id, "7");
    EXPECT_TRUE(command->options.force_share);
    EXPECT_TRUE(command->json);
  }
}

TEST(MeasureArguments, ASizeStandsForAnImage) {
  for (const char* line : {"--size 1G", "-s 1G", "--size=0x40000000"}) {
    const auto command = Read(line);
    ASSERT_TRUE(command) << line;
    EXPECT_EQ(command->options.image.path, "");
    EXPECT_EQ(command->options.size_bytes, std::uint64_t{1} << 30);
    EXPECT_EQ(command->options.target_format, "raw");
    EXPECT_FALSE(command->json);
  }
}

TEST(MeasureArguments, MistakesAreToldAsByQemuImg) {
  struct Case {
    const char* line;
    const char* text;
  };
  for (const Case& c : {
           Case{"", "Either --size N or one filename must be specified."},
           Case{"--size 1G disk", "--size N cannot be used together with a filename."},
           Case{"a b", "At most one filename argument is allowed."},
           Case{"-l x --size 1M", "--image-opts, -f, and -l require a filename argument."},
           Case{"-f raw --size 1M", "--image-opts, -f, and -l require a filename argument."},
           Case{"--output=xml --size 1", "--output must be used with human or json as argument."},
           Case{"--size 1q", "Invalid image size specified."},
           Case{"--object x disk", "--object is not available in this version"},
           Case{"--image-opts --size 1M", "--image-opts, -f, and -l require a filename argument."},
       }) {
    const auto command = Read(c.line);
    ASSERT_FALSE(command) << c.line;
    EXPECT_THAT(command.error().text, HasSubstr(c.text)) << c.line;
  }
}

}  // namespace
}  // namespace instar::cli
