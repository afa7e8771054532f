#include "formats/base/target_files.h"

#include <gtest/gtest.h>

#include <string>

#include "support/option_settings.h"

namespace instar {
namespace {

constexpr std::uint64_t kGiB = 1 << 30;

TEST(TargetFiles, OnlyDividedKindsOfVmdkHaveExtents) {
  const auto count = [](const char* options, std::uint64_t size) {
    return TargetExtentCount(FormatId::kVmdk, test::Settings(FormatId::kVmdk, options), size);
  };
  EXPECT_EQ(count("", 5 * kGiB), 0u);
  EXPECT_EQ(count("subformat=streamOptimized", 5 * kGiB), 0u);
  EXPECT_EQ(count("subformat=monolithicFlat", 5 * kGiB), 1u);
  EXPECT_EQ(count("subformat=twoGbMaxExtentFlat", 4 * kGiB), 2u);
  EXPECT_EQ(count("zeroed_grain=on,subformat=twoGbMaxExtentSparse", 4 * kGiB + 512), 3u);
  EXPECT_EQ(count("subformat=monolithicFlat", 0), 0u);
  EXPECT_EQ(TargetExtentCount(FormatId::kQcow2, {}, 5 * kGiB), 0u);
}

TEST(TargetFiles, AreNamedAfterTheNamedFile) {
  using vmdk::Subformat;
  const auto name = [](Subformat subformat, std::string_view target, std::uint64_t index) {
    std::string text;
    AppendTargetExtentName(vmdk::SuffixOf(subformat, index), target, text);
    return text;
  };
  EXPECT_EQ(name(Subformat::kMonolithicFlat, "disk.vmdk", 0), "disk-flat.vmdk");
  EXPECT_EQ(name(Subformat::kTwoGbMaxExtentFlat, "a.b.vmdk", 0), "a.b-f001.vmdk");
  EXPECT_EQ(name(Subformat::kTwoGbMaxExtentSparse, "disk", 98), "disk-s099");
  EXPECT_EQ(name(Subformat::kTwoGbMaxExtentSparse, "disk.vmdk", 1023), "disk-s1024.vmdk");
}

}  // namespace
}  // namespace instar
