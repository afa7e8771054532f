#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "formats/vmdk/format.h"
#include "support/vmdk_image.h"

namespace instar {
namespace {

using test::kGrain;
using test::OpenVmdk;
using test::VmdkFiles;
using test::WriteVmdk;

constexpr std::uint64_t kDirectoryAt = 26 * 512;
constexpr std::uint64_t kTableAt = 27 * 512;
constexpr std::uint64_t kRedundantTableAt = 22 * 512;

class Findings final : public FindingSink {
 public:
  void Add(const Finding& finding) override { told.emplace_back(finding.message); }
  std::vector<std::string> told;
};

Findings Check(VmdkFiles& image, std::uint64_t corruptions) {
  Findings findings;
  const auto reader = OpenVmdk(image);
  EXPECT_TRUE(reader);
  const auto counts =
      CheckImage({.device = &image[0], .reader = reader->get(), .findings = &findings});
  EXPECT_TRUE(counts);
  EXPECT_EQ(counts->corruptions, corruptions);
  return findings;
}

VmdkFiles Sample() {
  return WriteVmdk("", 4 * kGrain, {{0, "a"}, {kGrain, "b"}, {3 * kGrain, "c"}});
}

TEST(VmdkCheck, FreshImagesAreClean) {
  for (const char* options : {"", "subformat=streamOptimized", "subformat=twoGbMaxExtentSparse",
                              "subformat=monolithicFlat"}) {
    auto image = WriteVmdk(options, 520 * kGrain, {{0, "a"}, {512 * kGrain, "b"}});
    EXPECT_TRUE(Check(image, 0).told.empty()) << options;
  }
}

TEST(VmdkCheck, GrainsInAnotherOrderAreClean) {
  auto image = Sample();
  for (const std::uint64_t table : {kTableAt, kRedundantTableAt}) {
    image[0].PutLe32(table, 256);
    image[0].PutLe32(table + 4, 128);
  }
  EXPECT_TRUE(Check(image, 0).told.empty());
}

TEST(VmdkCheck, TellsOfOverlappingGrains) {
  auto image = Sample();
  for (const std::uint64_t table : {kTableAt, kRedundantTableAt}) image[0].PutLe32(table + 4, 192);
  const Findings findings = Check(image, 1);
  ASSERT_EQ(findings.told.size(), 1u);
  EXPECT_NE(findings.told[0].find("overlap"), std::string::npos);
}

TEST(VmdkCheck, TellsOfRedundantTablesThatDiffer) {
  auto image = Sample();
  image[0].PutLe32(kRedundantTableAt, 0);
  EXPECT_EQ(Check(image, 1).told.size(), 1u);
}

TEST(VmdkCheck, TellsOfGrainsAndTablesBeyondTheEnd) {
  auto image = Sample();
  for (const std::uint64_t table : {kTableAt, kRedundantTableAt}) {
    image[0].PutLe32(table + 12, 1 << 20);
  }
  EXPECT_EQ(Check(image, 1).told.size(), 1u);
  image[0].PutLe32(kDirectoryAt, 1 << 20);
  EXPECT_EQ(Check(image, 2).told.size(), 2u);  // and it differs from the redundant one
}

TEST(VmdkCheck, TellsOfGrainsAmongTheTables) {
  auto image = Sample();
  for (const std::uint64_t table : {kTableAt, kRedundantTableAt}) image[0].PutLe32(table, 27);
  EXPECT_EQ(Check(image, 1).told.size(), 1u);
}

TEST(VmdkCheck, TellsOfAFlatExtentWhoseFileIsTooShort) {
  auto image = WriteVmdk("subformat=monolithicFlat", 2 * kGrain, {{0, "a"}});
  image[1].bytes.resize(2 * kGrain - 512);
  const Findings findings = Check(image, 1);
  ASSERT_EQ(findings.told.size(), 1u);
  EXPECT_NE(findings.told[0].find("flat extent"), std::string::npos);
}

TEST(VmdkCheck, AFlatExtentsFileMayBeLonger) {
  auto image = WriteVmdk("subformat=monolithicFlat", 2 * kGrain, {{0, "a"}});
  image[1].bytes.resize(3 * kGrain);
  EXPECT_TRUE(Check(image, 0).told.empty());
}

}  // namespace
}  // namespace instar
