#include "cli/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace instar::cli {

// For the matchers.
inline bool operator==(const ConfiguredOption& a, const ConfiguredOption& b) {
  return a.option == b.option && a.value == b.value && a.line == b.line;
}

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Configuration, KeysAreOptionsInTheOrderOfTheirLines) {
  const auto options = ParseConfiguration(
      "# mine\nallow_paths = [\"/srv/images\", \"/mnt\"]\nisolation = \"kvm\"\nmax_chain_depth = "
      "9\nno_references = true\n");
  ASSERT_TRUE(options) << options.error();
  EXPECT_THAT(*options, ElementsAre(ConfiguredOption{"allow-path", "/srv/images", 2},
                                    ConfiguredOption{"allow-path", "/mnt", 2},
                                    ConfiguredOption{"isolation", "kvm", 3},
                                    ConfiguredOption{"max-chain-depth", "9", 4},
                                    ConfiguredOption{"no-references", "", 5}));
}

TEST(Configuration, FalseSetsNothing) {
  const auto options = ParseConfiguration("no_references = false");
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->empty());
}

TEST(Configuration, AnEmptyFileSetsNothing) {
  const auto options = ParseConfiguration("");
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->empty());
}

TEST(Configuration, MistakesAreToldWithTheirLine) {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case kCases[] = {
      {"allow_paths = \"/srv\"", "line 1: allow_paths must be an array of directories"},
      {"allow_paths = [1]", "line 1: allow_paths must be an array of directories"},
      {"\nisolation = [3]", "line 2: isolation must be a string, a number, true or false"},
      {"isolation = ", "line 1: "},
  };
  for (const Case& c : kCases) {
    const auto options = ParseConfiguration(c.text);
    ASSERT_FALSE(options) << c.text;
    EXPECT_THAT(options.error(), HasSubstr(c.error));
  }
}

TEST(Configuration, AMissingFileSetsNothing) {
  const auto options = ReadConfiguration(testing::TempDir() + "no-such-config.toml");
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->empty());
}

TEST(Configuration, ErrorsNameTheFile) {
  const std::string path =
      testing::TempDir() + "broken-config-" + std::to_string(getpid()) + ".toml";
  std::ofstream(path) << "isolation = [";
  const auto options = ReadConfiguration(path);
  std::remove(path.c_str());
  ASSERT_FALSE(options);
  EXPECT_THAT(options.error(), HasSubstr(path + ": line 1: "));
}

}  // namespace
}  // namespace instar::cli
