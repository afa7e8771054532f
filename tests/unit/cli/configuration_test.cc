#include "cli/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace instar::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Configuration, DirectoriesAndIsolationAreRead) {
  const auto configuration = ParseConfiguration(
      "# mine\nallow_paths = [\"/srv/images\", \"/mnt\"]\nisolation = \"kvm\"\n");
  ASSERT_TRUE(configuration) << configuration.error();
  EXPECT_THAT(configuration->allow_paths, ElementsAre("/srv/images", "/mnt"));
  EXPECT_EQ(configuration->isolation, "kvm");
}

TEST(Configuration, AnEmptyFileSetsNothing) {
  const auto configuration = ParseConfiguration("");
  ASSERT_TRUE(configuration);
  EXPECT_TRUE(configuration->allow_paths.empty());
  EXPECT_FALSE(configuration->isolation);
}

TEST(Configuration, MistakesAreToldWithTheirLine) {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case kCases[] = {
      {"allow_paths = \"/srv\"", "line 1: allow_paths must be an array of directories"},
      {"allow_paths = [1]", "line 1: allow_paths must be an array of directories"},
      {"\nisolation = 3", "line 2: isolation must be a string"},
      {"\n\nallow_path = []", "line 3: unknown key 'allow_path'"},
      {"isolation = ", "line 1: "},
  };
  for (const Case& c : kCases) {
    const auto configuration = ParseConfiguration(c.text);
    ASSERT_FALSE(configuration) << c.text;
    EXPECT_THAT(configuration.error(), HasSubstr(c.error));
  }
}

TEST(Configuration, AMissingFileSetsNothing) {
  const auto configuration = ReadConfiguration(testing::TempDir() + "no-such-config.toml");
  ASSERT_TRUE(configuration);
  EXPECT_TRUE(configuration->allow_paths.empty());
}

TEST(Configuration, ErrorsNameTheFile) {
  const std::string path =
      testing::TempDir() + "broken-config-" + std::to_string(getpid()) + ".toml";
  std::ofstream(path) << "isolation = [";
  const auto configuration = ReadConfiguration(path);
  std::remove(path.c_str());
  ASSERT_FALSE(configuration);
  EXPECT_THAT(configuration.error(), HasSubstr(path + ": line 1: "));
}

}  // namespace
}  // namespace instar::cli
