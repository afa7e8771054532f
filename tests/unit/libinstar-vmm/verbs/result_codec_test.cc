#include "verbs/result_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "instar/wire.h"

namespace instar::vmm {
namespace {

using ::testing::ElementsAre;

InfoReport Sample() {
  ReportValue::Object inner;
  inner.emplace_back("flag", ReportValue(true));
  ReportValue::Object report;
  report.emplace_back("format", ReportValue(std::string("qcow2\xff\0x", 8)));
  report.emplace_back("size", ReportValue(std::uint64_t{1} << 63));
  report.emplace_back("negative", ReportValue(std::int64_t{-5}));
  report.emplace_back("list", ReportValue(ReportValue::Array{ReportValue(std::move(inner))}));
  ImageInfo image;
  image.filename = "top";
  image.actual_size = 4096;
  image.file_size = 1000;
  image.full_backing_filename = "dir/base";
  image.report = ReportValue(std::move(report));
  InfoReport result;
  result.isolation = Isolation::kKvm;
  result.images = {image, image};
  result.images[1].filename = "base";
  result.images[1].full_backing_filename = "";
  return result;
}

TEST(ResultCodec, AnInfoReportSurvives) {
  const auto decoded = DecodeInfoResult(EncodeResult(Sample()));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->isolation, Isolation::kKvm);
  ASSERT_EQ(decoded->images.size(), 2u);
  const ImageInfo& top = decoded->images[0];
  EXPECT_EQ(top.filename, "top");
  EXPECT_EQ(top.actual_size, 4096u);
  EXPECT_EQ(top.file_size, 1000u);
  EXPECT_EQ(top.full_backing_filename, "dir/base");
  EXPECT_EQ(top.report.StringAt("format"), std::string_view("qcow2\xff\0x", 8));
  EXPECT_EQ(top.report.UnsignedAt("size"), std::uint64_t{1} << 63);
  const auto* negative = std::get_if<std::int64_t>(&top.report.Find("negative")->storage());
  ASSERT_NE(negative, nullptr);
  EXPECT_EQ(*negative, -5);
  const auto* list = std::get_if<ReportValue::Array>(&top.report.Find("list")->storage());
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(list->size(), 1u);
  EXPECT_TRUE(list->front().BooleanAt("flag"));
  EXPECT_EQ(decoded->images[1].filename, "base");
}

TEST(ResultCodec, ASingleReportSurvives) {
  const SingleReport report{.isolation = Isolation::kProcess,
                            .report = Sample().images.front().report};
  const std::vector<std::byte> bytes = EncodeResult(report);
  const auto decoded = DecodeSingleResult(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->isolation, Isolation::kProcess);
  EXPECT_EQ(decoded->report.UnsignedAt("size"), std::uint64_t{1} << 63);
}

TEST(ResultCodec, ASingleReportIsRefusedWhereItIsNone) {
  const std::vector<std::byte> whole = EncodeResult(SingleReport{.isolation = Isolation::kKvm});
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(DecodeSingleResult(std::span(whole).first(length)).ok()) << length;
  }
  std::vector<std::byte> twice = whole;
  twice.insert(twice.end(), whole.begin(), whole.end());
  EXPECT_FALSE(DecodeSingleResult(twice).ok());
}

TEST(ResultCodec, AConvertReportSurvives) {
  ConvertReport report;
  report.isolation = Isolation::kProcess;
  report.warnings = {"first", ""};
  const auto decoded = DecodeConvertResult(EncodeResult(report));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->isolation, Isolation::kProcess);
  EXPECT_THAT(decoded->warnings, ElementsAre("first", ""));
}

TEST(ResultCodec, NoTruncationYieldsMoreThanTheImagesItHoldsWhole) {
  const auto bytes = EncodeResult(Sample());
  for (std::size_t length = 0; length < bytes.size(); length += 4) {
    const auto decoded = DecodeInfoResult(std::span(bytes).first(length));
    // Between the two images a cut leaves a complete message about the first.
    if (decoded.ok()) {
      EXPECT_EQ(decoded->images.size(), 1u) << length;
    }
  }
  EXPECT_FALSE(DecodeInfoResult(std::span(bytes).first(bytes.size() - 8)).ok());
}

TEST(ResultCodec, FieldsOutOfPlaceAreRefused) {
  const auto refused = [](const WireWriter& writer) {
    return !DecodeInfoResult(writer.bytes()).ok() && !DecodeConvertResult(writer.bytes()).ok();
  };
  WireWriter unknown;
  unknown.Unsigned(99, 1);
  EXPECT_TRUE(refused(unknown));
  WireWriter size_without_name;
  size_without_name.Unsigned(4, 1);
  EXPECT_TRUE(refused(size_without_name));
  WireWriter unknown_isolation;
  unknown_isolation.Unsigned(1, 77);
  EXPECT_TRUE(refused(unknown_isolation));
  WireWriter name_only;
  name_only.Text(3, "x");
  EXPECT_TRUE(refused(name_only));
  WireWriter malformed_tree;
  malformed_tree.Text(3, "x");
  malformed_tree.Unsigned(4, 1);
  malformed_tree.Unsigned(5, 1);
  malformed_tree.Text(6, "");
  malformed_tree.Text(7, "not records");
  EXPECT_TRUE(refused(malformed_tree));
}

TEST(ResultCodec, AnInfoReportWithoutImagesIsRefused) {
  EXPECT_FALSE(DecodeInfoResult(EncodeResult(InfoReport{})).ok());
}

}  // namespace
}  // namespace instar::vmm
