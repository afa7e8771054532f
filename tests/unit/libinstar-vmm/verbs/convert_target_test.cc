#include "verbs/convert_target.h"

#include <gtest/gtest.h>

namespace instar::vmm {
namespace {

ConvertOptions Qcow2() {
  ConvertOptions options;
  options.target_format = "qcow2";
  return options;
}

std::string Refusal(const ConvertOptions& options) {
  const auto plan = PlanTarget(options);
  return plan.ok() ? "" : std::string(plan.status().message());
}

TEST(ConvertTarget, FormatsThatCannotBeWrittenAreRefused) {
  ConvertOptions options;
  options.target_format = "nope";
  EXPECT_EQ(Refusal(options), "Unknown file format 'nope'");
  options.target_format = "vdi";
  EXPECT_EQ(Refusal(options), "Writing format 'vdi' is not available in this version");
}

TEST(ConvertTarget, OnlyAKeptRawTargetIsAWindow) {
  ConvertOptions options;
  options.target_window = RawWindow{.offset_bytes = 512};
  EXPECT_FALSE(PlanTarget(options).ok());
  options.keep_target = true;
  EXPECT_TRUE(PlanTarget(options).ok());
  options.target_format = "qcow2";
  EXPECT_FALSE(PlanTarget(options).ok());
}

TEST(ConvertTarget, OptionsAreCheckedAgainstTheFormat) {
  ConvertOptions options = Qcow2();
  options.target_options = "foo=bar";
  EXPECT_EQ(Refusal(options), "Invalid parameter 'foo'");
  options.target_options = "lazy_refcounts=xx";
  EXPECT_EQ(Refusal(options), "Parameter 'lazy_refcounts' expects 'on' or 'off'");
  options.target_format = "raw";
  options.target_options = "cluster_size=4k";
  EXPECT_EQ(Refusal(options), "Invalid parameter 'cluster_size'");
}

TEST(ConvertTarget, OptionsWithAFieldOfTheirOwnLeaveTheList) {
  ConvertOptions options = Qcow2();
  options.target_options =
      "compat=1.1,backing_file=a,,b,backing_fmt=raw,data_file=d,lazy_refcounts,compression_type="
      "zstd";
  const auto plan = PlanTarget(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->backing_name, "a,b");
  EXPECT_EQ(plan->backing_format, "raw");
  EXPECT_EQ(plan->data_file, "d");
  EXPECT_TRUE(plan->zstd);
  std::string left;
  for (const OptionSetting& setting : plan->options.settings()) {
    left.append(setting.name).append("=").append(setting.text).append(",");
  }
  EXPECT_EQ(left, "compat=1.1,data_file=d,lazy_refcounts=on,compression_type=zstd,");
}

TEST(ConvertTarget, TheOptionForTheBackingFileWinsOverTheList) {
  ConvertOptions options = Qcow2();
  options.target_options = "backing_file=x,backing_fmt=raw";
  options.backing_file = "y";
  options.backing_format = "qcow2";
  const auto plan = PlanTarget(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->backing_name, "y");
  EXPECT_EQ(plan->backing_format, "qcow2");
}

TEST(ConvertTarget, ABackingFileNeedsItsFormat) {
  ConvertOptions options = Qcow2();
  options.backing_file = "base";
  EXPECT_EQ(Refusal(options), "Use of backing file requires explicit backing format");
  options.backing_format = "nope";
  EXPECT_EQ(Refusal(options), "Unknown backing file format 'nope'");
  options.backing_format = "raw";
  EXPECT_EQ(Refusal(options), "");
  options.backing_file = "";
  EXPECT_EQ(Refusal(options), "Backing format cannot be used without backing file");
}

TEST(ConvertTarget, RawHasNoBackingFileAndNoCompression) {
  ConvertOptions options;
  options.backing_file = "base";
  EXPECT_EQ(Refusal(options), "Backing file not supported for file format 'raw'");
  options.backing_file = "";
  options.backing_format = "raw";
  EXPECT_EQ(Refusal(options), "Backing file format not supported for file format 'raw'");
  options.backing_format = "";
  options.compress = true;
  EXPECT_EQ(Refusal(options), "Compression not supported for this file format");
}

TEST(ConvertTarget, CompressionAndPreallocationExcludeEachOther) {
  ConvertOptions options = Qcow2();
  options.compress = true;
  options.target_options = "preallocation=off";
  EXPECT_EQ(Refusal(options), "");
  options.target_options = "preallocation=full";
  EXPECT_EQ(Refusal(options), "Compression and preallocation not supported at the same time");
}

TEST(ConvertTarget, AZeroTargetHasNoBackingFile) {
  ConvertOptions options = Qcow2();
  options.keep_target = true;
  options.target_is_zero = true;
  EXPECT_EQ(Refusal(options), "");
  options.backing_file = "base";
  EXPECT_EQ(Refusal(options),
            "Cannot use --target-is-zero when the destination image has a backing file");
}

}  // namespace
}  // namespace instar::vmm
