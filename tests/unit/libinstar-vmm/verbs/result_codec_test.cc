#include "verbs/result_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "instar/wire.h"
#include "support/report_of.h"

namespace instar::vmm {
namespace {

using ::testing::ElementsAre;

ReportTree Sample() {
  return ReportOf([](ReportSink& sink) {
    sink.String("format", std::string_view("qcow2\xff\0x", 8));
    sink.Unsigned("size", std::uint64_t{1} << 63);
    sink.Signed("negative", -5);
    sink.BeginArray("list");
    sink.BeginObject({});
    sink.Boolean("flag", true);
    sink.EndObject();
    sink.EndArray();
  });
}

InfoFacts SampleFacts() {
  return {.isolation = Isolation::kKvm,
          .files = {{.path = "top", .size_bytes = 1000, .allocated_bytes = 4096},
                    {.path = "dir/base", .size_bytes = 5, .allocated_bytes = 0}}};
}

TEST(ResultCodec, TheFactsOfInfoSurvive) {
  const auto decoded = DecodeInfoFacts(EncodeInfoFacts(SampleFacts()));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->isolation, Isolation::kKvm);
  ASSERT_EQ(decoded->files.size(), 2u);
  EXPECT_EQ(decoded->files[0].path, "top");
  EXPECT_EQ(decoded->files[0].allocated_bytes, 4096u);
  EXPECT_EQ(decoded->files[0].size_bytes, 1000u);
  EXPECT_EQ(decoded->files[1].path, "dir/base");
}

TEST(ResultCodec, ASingleReportSurvives) {
  const SingleReport report{.isolation = Isolation::kProcess, .report = Sample()};
  const std::vector<std::byte> bytes = EncodeResult(report);
  const auto decoded = DecodeSingleResult(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->isolation, Isolation::kProcess);
  EXPECT_EQ(decoded->report.UnsignedAt("size"), std::uint64_t{1} << 63);
  EXPECT_EQ(decoded->report.StringAt("format"), std::string_view("qcow2\xff\0x", 8));
  EXPECT_EQ(decoded->report.Find("negative")->AsSigned(), -5);
  const auto list = decoded->report.Find("list");
  ASSERT_TRUE(list);
  ASSERT_FALSE(list->members().empty());
  EXPECT_TRUE((*list->members().begin()).value.BooleanAt("flag"));
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

TEST(ResultCodec, NoTruncationYieldsMoreThanTheFilesItHoldsWhole) {
  const auto bytes = EncodeInfoFacts(SampleFacts());
  for (std::size_t length = 0; length < bytes.size(); length += 4) {
    const auto decoded = DecodeInfoFacts(std::span(bytes).first(length));
    // Between the two files a cut leaves a complete message about the first.
    if (decoded.ok()) {
      EXPECT_EQ(decoded->files.size(), 1u) << length;
    }
  }
  EXPECT_FALSE(DecodeInfoFacts(std::span(bytes).first(bytes.size() - 8)).ok());
}

TEST(ResultCodec, FieldsOutOfPlaceAreRefused) {
  const auto refused = [](const WireWriter& writer) {
    return !DecodeInfoFacts(writer.bytes()).ok() && !DecodeConvertResult(writer.bytes()).ok();
  };
  WireWriter unknown;
  unknown.Unsigned(99, 1);
  EXPECT_TRUE(refused(unknown));
  WireWriter size_without_name;
  size_without_name.Unsigned(1, 1);
  size_without_name.Unsigned(6, 1);
  EXPECT_TRUE(refused(size_without_name));
  WireWriter unknown_isolation;
  unknown_isolation.Unsigned(1, 77);
  EXPECT_TRUE(refused(unknown_isolation));
  WireWriter name_only;
  name_only.Unsigned(1, 1);
  name_only.Text(4, "x");
  EXPECT_TRUE(refused(name_only));
}

TEST(ResultCodec, ATreeThatIsNoneIsRefused) {
  WireWriter malformed_tree;
  malformed_tree.Unsigned(1, 1);
  malformed_tree.Text(8, "not records");
  EXPECT_FALSE(DecodeSingleResult(malformed_tree.bytes()).ok());
}

TEST(ResultCodec, FactsWithoutFilesAreRefused) {
  EXPECT_FALSE(DecodeInfoFacts(EncodeInfoFacts(InfoFacts{.isolation = Isolation::kKvm})).ok());
}

}  // namespace
}  // namespace instar::vmm
