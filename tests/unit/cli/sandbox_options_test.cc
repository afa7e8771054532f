#include "cli/sandbox_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

namespace instar::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Applies the options in `arguments`; the first error, or empty.
std::string Apply(std::vector<std::string> arguments, SandboxSettings& settings) {
  const std::array tables = {OptionTable{.rows = SandboxOptionRows(), .target = &settings}};
  Arguments given = ReadArguments(tables, arguments, Operands::kMixed);
  EXPECT_FALSE(given.fault);
  for (GivenOption& option : given.options) {
    if (const auto taken = option.Take(); !taken) return taken.error().text;
  }
  return {};
}

TEST(SandboxOptions, EachSetsItsField) {
  SandboxSettings settings;
  EXPECT_EQ(
      Apply({"--isolation=process", "--allow-path=/a", "--allow-path", "/b", "--max-memory=64M",
             "--max-virtual-size=1T", "--max-output-size=10G", "--max-chain-depth=5",
             "--timeout=60", "--stall-timeout=5", "--workers=2", "--qemu-version=7.2", "--strict"},
            settings),
      "");
  const vmm::SandboxOptions& sandbox = settings.sandbox;
  EXPECT_EQ(sandbox.isolation, vmm::Isolation::kProcess);
  EXPECT_THAT(sandbox.references.allow_paths, ElementsAre("/a", "/b"));
  EXPECT_EQ(sandbox.references.allowed, vmm::AllowedReferences::kDirectory);
  EXPECT_EQ(sandbox.guest_memory_bytes, 64u << 20);
  EXPECT_EQ(sandbox.max_virtual_bytes, 1ull << 40);
  EXPECT_EQ(sandbox.max_output_bytes, 10ull << 30);
  EXPECT_EQ(sandbox.max_chain_depth, 5u);
  EXPECT_EQ(sandbox.time_limit, std::chrono::seconds(60));
  EXPECT_EQ(sandbox.stall_timeout, std::chrono::seconds(5));
  EXPECT_EQ(sandbox.workers, 2u);
  EXPECT_EQ(settings.qemu_version, (QemuVersion{7, 2}));
  EXPECT_TRUE(settings.strict);
  EXPECT_FALSE(settings.strict_by_configuration);
}

TEST(SandboxOptions, TraceOfTimingRecordsInTheProgramsTrace) {
  TimingTrace trace;
  SandboxSettings settings;
  settings.trace = &trace;
  EXPECT_EQ(settings.sandbox.timing, nullptr);
  EXPECT_EQ(Apply({"--trace=timing"}, settings), "");
  EXPECT_EQ(settings.sandbox.timing, trace.Want());
}

TEST(SandboxOptions, ReproducibleIsOffUnlessItIsGiven) {
  SandboxSettings settings;
  EXPECT_FALSE(settings.reproducible);
  EXPECT_EQ(Apply({"--reproducible"}, settings), "");
  EXPECT_TRUE(settings.reproducible);
}

TEST(SandboxOptions, NoReferencesForbidsAll) {
  SandboxSettings settings;
  EXPECT_EQ(Apply({"--no-references"}, settings), "");
  EXPECT_EQ(settings.sandbox.references.allowed, vmm::AllowedReferences::kNone);
}

TEST(SandboxOptions, ReferencesHaveThreeModesAndTheLastOneCounts) {
  SandboxSettings settings;
  const vmm::AllowedReferences& allowed = settings.sandbox.references.allowed;
  EXPECT_EQ(Apply({"--references=none"}, settings), "");
  EXPECT_EQ(allowed, vmm::AllowedReferences::kNone);
  EXPECT_EQ(Apply({"--references=any-owner"}, settings), "");
  EXPECT_EQ(allowed, vmm::AllowedReferences::kAnyOwner);
  EXPECT_EQ(Apply({"--no-references", "--references=directory"}, settings), "");
  EXPECT_EQ(allowed, vmm::AllowedReferences::kDirectory);
  EXPECT_EQ(Apply({"--references=any-owner", "--no-references"}, settings), "");
  EXPECT_EQ(allowed, vmm::AllowedReferences::kNone);
}

TEST(SandboxOptions, TraceOfReferencesListensForThem) {
  SandboxSettings settings;
  EXPECT_FALSE(settings.sandbox.notices.reference_opened);
  EXPECT_EQ(Apply({"--trace=references"}, settings), "");
  EXPECT_TRUE(settings.sandbox.notices.reference_opened);
  EXPECT_EQ(settings.sandbox.timing, nullptr);
}

TEST(SandboxOptions, RequirementsAddUp) {
  SandboxSettings settings;
  EXPECT_EQ(Apply({"--require=kvm,openat2", "--require=landlock"}, settings), "");
  const vmm::Requirements& require = settings.sandbox.require;
  EXPECT_TRUE(require.kvm && require.openat2 && require.landlock);
  EXPECT_FALSE(require.seccomp);
}

TEST(SandboxOptions, ValuesOutOfRangeAreRefused) {
  for (const char* argument :
       {"--isolation=vm", "--require=", "--require=kvm,x", "--allow-path=", "--max-memory=1M",
        "--max-memory=5G", "--max-memory=x", "--max-virtual-size=big", "--max-chain-depth=0",
        "--max-chain-depth=1025", "--timeout=0", "--timeout=1.5", "--stall-timeout=-1",
        "--workers=0", "--workers=17", "--qemu-version=7", "--trace=all", "--references=all",
        "--references="}) {
    SandboxSettings settings;
    EXPECT_NE(Apply({argument}, settings), "") << argument;
  }
}

// Loads the defaults; the error, or empty.
std::string Load(SandboxSettings& settings) {
  const OrStop<void> loaded = LoadDefaults(settings);
  return loaded ? "" : loaded.error().text;
}

class SandboxDefaults : public testing::Test {
 protected:
  void SetUp() override {
    home_ = testing::TempDir() + "instar-home-" + std::to_string(getpid());
    std::filesystem::create_directories(home_ + "/instar");
    setenv("XDG_CONFIG_HOME", home_.c_str(), 1);
    for (const char* name :
         {"INSTAR_ALLOW_PATH", "INSTAR_ISOLATION", "INSTAR_QEMU_VERSION", "SOURCE_DATE_EPOCH"}) {
      unsetenv(name);
    }
  }
  void TearDown() override {
    SetUp();
    unsetenv("XDG_CONFIG_HOME");
    std::filesystem::remove_all(home_);
  }
  void Configure(const std::string& text) { std::ofstream(home_ + "/instar/config.toml") << text; }

  std::string home_;
};

TEST_F(SandboxDefaults, ComeFromTheUsersFile) {
  Configure("allow_paths = ['/srv']\nisolation = 'process'\n");
  SandboxSettings settings;
  EXPECT_EQ(Load(settings), "");
  EXPECT_THAT(settings.sandbox.references.allow_paths, ElementsAre("/srv"));
  EXPECT_EQ(settings.sandbox.isolation, vmm::Isolation::kProcess);
}

TEST_F(SandboxDefaults, TheEnvironmentOverrulesFilesAndAddsDirectories) {
  Configure("allow_paths = ['/srv']\nisolation = 'process'\n");
  setenv("INSTAR_ISOLATION", "kvm", 1);
  setenv("INSTAR_ALLOW_PATH", "/a::/b", 1);
  setenv("INSTAR_QEMU_VERSION", "8.2.1", 1);
  SandboxSettings settings;
  EXPECT_EQ(Load(settings), "");
  EXPECT_THAT(settings.sandbox.references.allow_paths, ElementsAre("/srv", "/a", "/b"));
  EXPECT_EQ(settings.sandbox.isolation, vmm::Isolation::kKvm);
  EXPECT_EQ(settings.qemu_version, (QemuVersion{8, 2}));
}

TEST_F(SandboxDefaults, ReproducibleComesFromAFileOrFromSourceDateEpoch) {
  Configure("reproducible = true\n");
  SandboxSettings by_file;
  EXPECT_EQ(Load(by_file), "");
  EXPECT_TRUE(by_file.reproducible);
  Configure("reproducible = false\n");
  SandboxSettings without;
  EXPECT_EQ(Load(without), "");
  EXPECT_FALSE(without.reproducible);
  setenv("SOURCE_DATE_EPOCH", "", 1);
  EXPECT_EQ(Load(without), "");
  EXPECT_FALSE(without.reproducible);
  setenv("SOURCE_DATE_EPOCH", "0", 1);
  SandboxSettings by_environment;
  EXPECT_EQ(Load(by_environment), "");
  EXPECT_TRUE(by_environment.reproducible);
}

TEST_F(SandboxDefaults, CannotGiveUpTheProtection) {
  setenv("INSTAR_ISOLATION", "none", 1);
  SandboxSettings settings;
  EXPECT_THAT(Load(settings), HasSubstr("only be chosen on the command line"));
  unsetenv("INSTAR_ISOLATION");
  Configure("isolation = 'none'");
  EXPECT_THAT(Load(settings), HasSubstr("only be chosen on the command line"));
  EXPECT_EQ(settings.sandbox.isolation, vmm::Isolation::kAuto);
}

TEST_F(SandboxDefaults, ReferencesCanBeConfiguredUnderBothNames) {
  for (const auto& [text, allowed] :
       {std::pair{"references = 'none'", vmm::AllowedReferences::kNone},
        std::pair{"references = 'any-owner'", vmm::AllowedReferences::kAnyOwner},
        std::pair{"no_references = true", vmm::AllowedReferences::kNone},
        std::pair{"no_references = false", vmm::AllowedReferences::kDirectory}}) {
    Configure(text);
    SandboxSettings settings;
    EXPECT_EQ(Load(settings), "");
    EXPECT_EQ(settings.sandbox.references.allowed, allowed) << text;
  }
  Configure("references = 'all'");
  SandboxSettings settings;
  EXPECT_THAT(Load(settings), HasSubstr("line 1: --references: unknown 'all'"));
}

TEST_F(SandboxDefaults, AFileThatOthersMayWriteEndsEveryVerb) {
  Configure("allow_paths = ['/srv']");
  std::filesystem::permissions(home_ + "/instar/config.toml", std::filesystem::perms{0666});
  SandboxSettings settings;
  EXPECT_THAT(Load(settings), HasSubstr("is not obeyed"));
  EXPECT_THAT(settings.sandbox.references.allow_paths, IsEmpty());
}

TEST_F(SandboxDefaults, MistakesAreReported) {
  SandboxSettings settings;
  setenv("INSTAR_QEMU_VERSION", "new", 1);
  EXPECT_THAT(Load(settings), HasSubstr("INSTAR_QEMU_VERSION"));
  unsetenv("INSTAR_QEMU_VERSION");
  Configure("isolation = 'strong'");
  EXPECT_THAT(Load(settings), HasSubstr("unknown isolation 'strong'"));
}

}  // namespace
}  // namespace instar::cli
