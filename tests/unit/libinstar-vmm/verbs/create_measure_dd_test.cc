// create, measure and dd as a program calls them that must not be jailed itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "executor/executor.h"
#include "instar/vmm/create.h"
#include "instar/vmm/dd.h"
#include "instar/vmm/info.h"
#include "instar/vmm/measure.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

using ::testing::HasSubstr;

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class MakingVerbs : public testing::TestWithParam<Isolation> {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizer's own system calls are not among those the jail allows";
#endif
    if (GetParam() == Isolation::kKvm && !CheckKvm().ok()) {
      GTEST_SKIP() << "no KVM here: " << CheckKvm().message();
    }
  }
  [[nodiscard]] SandboxOptions Sandbox() const {
    SandboxOptions sandbox;
    sandbox.isolation = GetParam();
    sandbox.jail = Jail::kChildProcess;
    return sandbox;
  }
  [[nodiscard]] CreateOptions NewQcow2(const std::string& name) const {
    CreateOptions options;
    options.path = directory_ / name;
    options.format = "qcow2";
    options.sandbox = Sandbox();
    return options;
  }
  TemporaryDirectory directory_;
};

TEST_P(MakingVerbs, AnOverlayTakesItsSizeFromItsBackingFile) {
  directory_.Write("base.raw", std::string(100'352, 'x'));
  CreateOptions options = NewQcow2("top.qcow2");
  options.format_options = "backing_file=base.raw";
  options.backing_format = "raw";
  const auto made = Create(options);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->isolation, GetParam());
  EXPECT_EQ(made->virtual_size_bytes, 100'352u);
  EXPECT_EQ(made->backing_file, "base.raw");
  EXPECT_EQ(made->backing_format, "raw");

  InfoOptions info;
  info.image.path = options.path;
  info.sandbox = Sandbox();
  const auto report = Info(info);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->images.front().report.UnsignedAt("virtual-size"), 100'352u);
  EXPECT_EQ(report->images.front().report.StringAt("backing-filename"), "base.raw");
}

TEST_P(MakingVerbs, AFailedCreateLeavesNothingAndNamesTheImage) {
  CreateOptions options = NewQcow2("never.qcow2");
  options.format_options = "cluster_size=3,data_file=never.data";
  options.size_bytes = 1 << 20;
  const auto made = Create(options);
  EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("never.qcow2: "));
  EXPECT_FALSE(std::filesystem::exists(options.path));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "never.data"));
}

TEST_P(MakingVerbs, AFailedCreateLeavesAnExistingFileAsItWas) {
  CreateOptions options = NewQcow2("kept.qcow2");
  directory_.Write("kept.qcow2", "precious");
  options.format_options = "cluster_size=3";
  options.size_bytes = 1 << 20;
  EXPECT_FALSE(Create(options).ok());
  EXPECT_EQ(Content(options.path), "precious");
}

TEST_P(MakingVerbs, MeasureTellsTheFigures) {
  MeasureOptions options;
  options.size_bytes = std::uint64_t{1} << 30;
  options.target_format = "qcow2";
  options.sandbox = Sandbox();
  const auto empty = Measure(options);
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(empty->isolation, GetParam());
  EXPECT_EQ(empty->required_bytes, 393'216u);
  EXPECT_EQ(empty->fully_allocated_bytes, 1'074'135'040u);
  EXPECT_FALSE(empty->bitmap_bytes.has_value());

  CreateOptions create = NewQcow2("x.qcow2");
  create.size_bytes = std::uint64_t{1} << 30;
  ASSERT_TRUE(Create(create).ok());
  options.image.path = create.path;
  const auto image = Measure(options);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->required_bytes, 393'216u);
  EXPECT_EQ(image->bitmap_bytes, 0u);
}

TEST_P(MakingVerbs, DdCopiesItsBlocksAndWarnsWhereThereAreNone) {
  DdOptions options;
  std::string data(4096, 'a');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7 + i / 256);
  options.source.path = directory_.Write("source.raw", data);
  options.source.format = "raw";
  options.target = directory_ / "part.raw";
  options.block_bytes = 100;
  options.skip = 3;
  options.count = 10;
  options.sandbox = Sandbox();
  const auto copied = Dd(options);
  ASSERT_TRUE(copied.ok()) << copied.status();
  EXPECT_TRUE(copied->warnings.empty());
  std::string expected = data.substr(300, 700);
  expected.resize(1024);
  EXPECT_EQ(Content(options.target), expected);

  options.skip = std::uint64_t{1} << 62;
  const auto nothing = Dd(options);
  ASSERT_TRUE(nothing.ok()) << nothing.status();
  ASSERT_EQ(nothing->warnings.size(), 1u);
  EXPECT_THAT(nothing->warnings.front(), HasSubstr("cannot skip to specified offset"));
  EXPECT_EQ(Content(options.target), "");
}

TEST_P(MakingVerbs, IdentitiesAreRandomUnlessTheyShallBeReproducible) {
  CreateOptions create;
  create.path = directory_ / "disk.vhdx";
  create.format = "vhdx";
  create.size_bytes = 1 << 20;
  create.sandbox = Sandbox();
  DdOptions dd;
  dd.source.path = directory_.Write("source.raw", std::string(1 << 20, 'x'));
  dd.source.format = "raw";
  dd.target = create.path;
  dd.target_format = "vhdx";
  dd.sandbox = Sandbox();
  const auto make = [&](bool by_create, bool reproducible) {
    create.reproducible = dd.reproducible = reproducible;
    EXPECT_TRUE(by_create ? Create(create).ok() : Dd(dd).ok());
    return Content(create.path);
  };
  for (const bool by_create : {true, false}) {
    EXPECT_FALSE(make(by_create, false) == make(by_create, false)) << by_create;
    EXPECT_TRUE(make(by_create, true) == make(by_create, true)) << by_create;
  }
}

INSTANTIATE_TEST_SUITE_P(Isolations, MakingVerbs,
                         testing::Values(Isolation::kKvm, Isolation::kProcess),
                         [](const auto& param_info) {
                           return param_info.param == Isolation::kKvm ? "kvm" : "process";
                         });

}  // namespace
}  // namespace instar::vmm
