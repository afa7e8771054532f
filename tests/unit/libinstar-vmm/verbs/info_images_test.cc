#include "verbs/info_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "support/report_of.h"

namespace instar::vmm {
namespace {

using ::testing::HasSubstr;

const FileRecords kFiles = {{.path = "dir/top.vmdk", .size_bytes = 1000, .allocated_bytes = 4096},
                            {.path = "dir/e1.vmdk", .size_bytes = 10, .allocated_bytes = 512},
                            {.path = "dir/e2.vmdk", .size_bytes = 20, .allocated_bytes = 1024}};

void TellHead(ReportSink& sink, std::uint64_t device, std::string_view format = "vmdk") {
  sink.Unsigned("device", device);
  sink.String("format", format);
}

void TellPart(ReportSink& sink, std::uint64_t device) {
  sink.BeginObject({});
  sink.Unsigned("device", device);
  sink.EndObject();
}

absl::StatusOr<std::vector<ImageInfo>> Complete(const std::function<void(ReportSink&)>& tell,
                                                const ImageSpec& spec = {}) {
  return CompleteImages({ReportOf(tell)}, kFiles, spec, 1);
}

TEST(InfoImages, TheHostAddsWhatItKnowsOfTheFile) {
  const auto images = Complete([](ReportSink& sink) {
    TellHead(sink, 0);
    sink.String("backing-filename", "base.vmdk");
  });
  ASSERT_TRUE(images.ok()) << images.status();
  const ImageInfo& image = images->front();
  EXPECT_EQ(image.filename, "dir/top.vmdk");
  EXPECT_EQ(image.actual_size, 4096u);
  EXPECT_EQ(image.file_size, 1000u);
  EXPECT_EQ(image.full_backing_filename, "dir/base.vmdk");
  EXPECT_EQ(image.report.UnsignedAt("device", 9), 0u);
}

TEST(InfoImages, FilesOfPartsAreNamedAndTheirStorageCountsOnce) {
  const auto images = Complete([](ReportSink& sink) {
    TellHead(sink, 0);
    sink.BeginObject("format-specific");
    sink.BeginArray("extents");
    for (const std::uint64_t device : {1, 2, 1, 0}) TellPart(sink, device);
    sink.EndArray();
    sink.EndObject();
  });
  ASSERT_TRUE(images.ok()) << images.status();
  EXPECT_EQ(images->front().actual_size, 4096u + 512 + 1024);
  std::vector<std::string> names;
  const auto extents = images->front().report.Find("format-specific")->Find("extents");
  for (const auto& [none, extent] : extents->members()) {
    EXPECT_FALSE(extent.Find("device"));
    names.emplace_back(extent.StringAt("filename"));
  }
  EXPECT_THAT(names,
              ::testing::ElementsAre("dir/e1.vmdk", "dir/e2.vmdk", "dir/e1.vmdk", "dir/top.vmdk"));
}

TEST(InfoImages, NamesOfFilesAreKeptOnce) {
  const FileRecords files = {{.path = std::string(4000, 'p')}};
  auto reports = std::vector{ReportOf([](ReportSink& sink) {
    TellHead(sink, 0);
    sink.BeginArray("format-specific");
    for (int i = 0; i < 5000; ++i) TellPart(sink, 0);
    sink.EndArray();
  })};
  const std::size_t before = ReportStore::StoreOf(reports.front())->records.size();
  const auto images = CompleteImages(std::move(reports), files, {}, 1);
  ASSERT_TRUE(images.ok()) << images.status();
  const auto& store = *ReportStore::StoreOf(images->front().report);
  EXPECT_EQ(store.names.size(), 1u);
  EXPECT_EQ(store.records.size(), before);
}

TEST(InfoImages, TheWordsOfTheSpecificationAreShown) {
  const auto images = Complete([](ReportSink& sink) { TellHead(sink, 0, "raw"); },
                               {.path = "x", .format = "host_device", .name = "json:{}"});
  ASSERT_TRUE(images.ok()) << images.status();
  EXPECT_EQ(images->front().filename, "json:{}");
  EXPECT_EQ(images->front().file_path, "dir/top.vmdk");
  EXPECT_EQ(images->front().report.StringAt("format"), "host_device");
}

struct Forged {
  const char* name;
  std::function<void(ReportSink&)> tell;
  const char* format = "";
};
void PrintTo(const Forged& forged, std::ostream* out) { *out << forged.name; }

class ForgedReport : public testing::TestWithParam<Forged> {};

TEST_P(ForgedReport, IsRefusedInOneLineThatNamesTheImage) {
  const auto images = Complete(GetParam().tell, {.path = "x", .format = GetParam().format});
  ASSERT_FALSE(images.ok());
  EXPECT_EQ(images.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(images.status().message()),
              HasSubstr("dir/top.vmdk: info: guest ended: its report is refused: "));
}

void TellWith(ReportSink& sink, std::string_view key) {
  TellHead(sink, 0);
  sink.String(key, "x");
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ForgedReport,
    testing::Values(
        Forged{"FileName", [](ReportSink& s) { TellWith(s, "filename"); }},
        Forged{"ActualSize", [](ReportSink& s) { TellWith(s, "actual-size"); }},
        Forged{"Children", [](ReportSink& s) { TellWith(s, "children"); }},
        Forged{"FullBackingFileName", [](ReportSink& s) { TellWith(s, "full-backing-filename"); }},
        Forged{"NameBesideANumberOfAFile",
               [](ReportSink& s) {
                 TellHead(s, 0);
                 s.BeginObject("format-specific");
                 s.BeginObject("data");
                 s.Unsigned("device", 1);
                 s.String("filename", "x");
                 s.EndObject();
                 s.EndObject();
               }},
        Forged{"NumberOfAFileBesideAName",
               [](ReportSink& s) {
                 TellHead(s, 0);
                 s.BeginArray("format-specific");
                 s.BeginObject({});
                 s.String("filename", "x");
                 s.Unsigned("device", 1);
                 s.EndObject();
                 s.EndArray();
               }},
        Forged{"PartOfNoFile",
               [](ReportSink& s) {
                 TellHead(s, 0);
                 s.BeginArray("format-specific");
                 TellPart(s, 3);
                 s.EndArray();
               }},
        Forged{"PartOfANumberBeyondAll",
               [](ReportSink& s) {
                 TellHead(s, 0);
                 s.BeginArray("format-specific");
                 TellPart(s, ~std::uint64_t{0});
                 s.EndArray();
               }},
        Forged{"MoreParts",
               [](ReportSink& s) {
                 TellHead(s, 0);
                 s.BeginArray("format-specific");
                 for (std::size_t i = 0; i <= kMaxNamedParts; ++i) TellPart(s, 1);
                 s.EndArray();
               }},
        Forged{"NoFile", [](ReportSink& s) { s.String("format", "vmdk"); }},
        Forged{"UnknownFile", [](ReportSink& s) { TellHead(s, 3); }},
        Forged{"FormatOfThePlainFileUnasked", [](ReportSink& s) { TellHead(s, 0, "file"); }},
        Forged{"AnotherFormatThanAPlainFile", [](ReportSink& s) { TellHead(s, 0, "x"); },
               "host_device"},
        Forged{"FormatOfAPlainFile",
               [](ReportSink& s) {
                 TellHead(s, 0, "raw");
                 s.BeginObject("format-specific");
                 s.EndObject();
               },
               "file"},
        Forged{"LongBackingName",
               [](ReportSink& s) {
                 TellHead(s, 0);
                 s.String("backing-filename", std::string(kMaxBackingNameBytes + 1, 'x'));
               }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(InfoImages, MoreImagesThanMayBeAreRefused) {
  const auto reports = [](int count) {
    return ReportsOf([count](ReportSink& sink) {
      for (int i = 0; i < count; ++i) {
        sink.BeginObject({});
        TellHead(sink, 0);
        sink.EndObject();
      }
    });
  };
  EXPECT_TRUE(CompleteImages(reports(2), kFiles, {}, 2).ok());
  EXPECT_FALSE(CompleteImages(reports(2), kFiles, {}, 1).ok());
  EXPECT_TRUE(CompleteImages(reports(3), kFiles, {}, 64).ok());
  EXPECT_FALSE(CompleteImages(reports(4), kFiles, {}, 64).ok());
  EXPECT_FALSE(CompleteImages({}, kFiles, {}, 64).ok());
}

}  // namespace
}  // namespace instar::vmm
