#include "cli/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
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
  const auto options = ReadConfiguration(testing::TempDir() + "no-such-config.toml", "/");
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->empty());
}

// base/instar/config.toml
class ConfigurationFile : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(directory_);
    chmod(base_.c_str(), 0755);
    chmod(directory_.c_str(), 0755);
    Write("workers = 3\n");
  }
  void TearDown() override { std::filesystem::remove_all(base_); }
  void Write(std::string_view text) const {
    std::ofstream(path_) << text;
    chmod(path_.c_str(), 0644);
  }
  // The error that ends with reading it, or empty.
  [[nodiscard]] std::string Error() const {
    const auto options = ReadConfiguration(path_, base_);
    EXPECT_TRUE(!options || options->size() == 1);
    return options ? std::string() : options.error();
  }

  const std::string base_ = testing::TempDir() + "instar-config-" + std::to_string(getpid());
  const std::string directory_ = base_ + "/instar";
  const std::string path_ = directory_ + "/config.toml";
};

TEST_F(ConfigurationFile, ErrorsNameTheFile) {
  Write("isolation = [");
  EXPECT_THAT(Error(), HasSubstr(path_ + ": line 1: "));
}

TEST_F(ConfigurationFile, OfOnesOwnIsObeyed) {
  EXPECT_EQ(Error(), "");
  chmod(path_.c_str(), 0600);
  EXPECT_EQ(Error(), "");
}

TEST_F(ConfigurationFile, ThatOthersMayWriteIsAnError) {
  for (const mode_t mode : {0666, 0664, 0646}) {
    chmod(path_.c_str(), mode);
    EXPECT_THAT(Error(), HasSubstr("'" + path_ + "' is not obeyed")) << std::oct << mode;
    EXPECT_THAT(Error(), HasSubstr("it can be written by others")) << std::oct << mode;
  }
}

TEST_F(ConfigurationFile, ThatOthersMayReplaceIsAnError) {
  for (const std::string& place : {directory_, base_}) {
    chmod(place.c_str(), 0777);
    EXPECT_THAT(Error(), HasSubstr("the directory '" + place + "' can be written by others"));
    chmod(place.c_str(), 01777);
    EXPECT_EQ(Error(), "");
    chmod(place.c_str(), 0755);
  }
}

TEST_F(ConfigurationFile, OfSomebodyElseIsAnError) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files to others";
  for (const std::string& place : {path_, directory_, base_}) {
    ASSERT_EQ(chown(place.c_str(), 4001, 4001), 0);
    EXPECT_THAT(Error(), HasSubstr("belongs neither to you nor to root")) << place;
    ASSERT_EQ(chown(place.c_str(), 0, 0), 0);
  }
  EXPECT_EQ(Error(), "");
}

TEST_F(ConfigurationFile, ALinkCountsForWhatItLeadsTo) {
  const std::string other = base_ + "/other.toml";
  std::filesystem::rename(path_, other);
  std::filesystem::create_symlink(other, path_);
  EXPECT_EQ(Error(), "");
  chmod(other.c_str(), 0666);
  EXPECT_THAT(Error(), HasSubstr("is not obeyed"));
}

TEST_F(ConfigurationFile, ThatIsNoFileIsAnError) {
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_THAT(Error(), HasSubstr("is not a regular file"));
}

}  // namespace
}  // namespace instar::cli
