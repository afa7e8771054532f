#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "instar/verbs.h"
#include "support/disk_image.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr DeviceId kTop{1};
constexpr DeviceId kBase{3};

TEST(Info, ARawImageHasNoClusterSize) {
  FakeHost host;
  MakeRaw(host, kTop, 1 << 20, {});
  ASSERT_TRUE(RunInfo(host, {.image = kTop}).has_value());
  EXPECT_THAT(ReportText(host), StartsWith("{device: 1, format: 'raw', virtual-size: 1048576"));
  EXPECT_THAT(ReportText(host), Not(HasSubstr("cluster-size")));
}

TEST(Info, TheTopImageIsDescribedWithWhatItNames) {
  FakeHost host;
  ImageBuilder(host, kTop, 1 << 20, "", "base", "qcow2").Finish();
  ASSERT_TRUE(RunInfo(host, {.image = kTop}).has_value());
  EXPECT_THAT(ReportText(host),
              StartsWith("{device: 1, format: 'qcow2', virtual-size: 1048576, cluster-size: 65536, "
                         "backing-filename: 'base', backing-filename-format: 'qcow2'"));
  EXPECT_THAT(ReportText(host), HasSubstr("format-specific"));
}

TEST(Info, WithoutTheChainNothingTheImageNamesIsOpened) {
  FakeHost host;
  ImageBuilder(host, kTop, 1 << 20, "", "base", "qcow2").Finish();
  ASSERT_TRUE(RunInfo(host, {.image = kTop}).has_value());
  EXPECT_THAT(host.opened(), IsEmpty());
}

TEST(Info, AnUnstatedBackingFormatIsLeftOut) {
  FakeHost host;
  ImageBuilder(host, kTop, 1 << 20, "", "base", "").Finish();
  ASSERT_TRUE(RunInfo(host, {.image = kTop}).has_value());
  EXPECT_THAT(ReportText(host), HasSubstr("backing-filename: 'base'"));
  EXPECT_THAT(ReportText(host), Not(HasSubstr("backing-filename-format")));
}

TEST(Info, WithTheChainEveryImageIsAnObjectTopFirst) {
  FakeHost host;
  MakeRaw(host, kBase, 1 << 19, {});
  host.AddReference("base", kBase);
  ImageBuilder(host, kTop, 1 << 20, "", "base", "raw").Finish();
  ASSERT_TRUE(RunInfo(host, {.image = kTop, .backing_chain = true}).has_value());
  EXPECT_THAT(host.opened(), ElementsAre("base"));
  const std::string text = ReportText(host);
  EXPECT_THAT(text, StartsWith("{device: 1, "));
  EXPECT_THAT(text, HasSubstr("{device: 3, format: 'raw', virtual-size: 524288"));
}

TEST(Info, AChainThatCannotBeOpenedReportsNothing) {
  FakeHost host;
  ImageBuilder(host, kTop, 1 << 20, "", "gone", "raw").Finish();
  const Status status = RunInfo(host, {.image = kTop, .backing_chain = true});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(host.emitted(), IsEmpty());
}

TEST(Info, WithTheChainNoDataFileIsOpened) {
  FakeHost host;
  host.AddTarget(DeviceId{4});
  MakeRaw(host, kBase, 1 << 20, {});
  host.AddTarget(kTop);
  ASSERT_TRUE(
      RunConvert(host, {.sources = {kBase},
                        .target = kTop,
                        .target_format = FormatId::kQcow2,
                        .target_options = test::Settings(FormatId::kQcow2, "data_file=data"),
                        .target_data_file = DeviceId{4}})
          .has_value());
  ASSERT_TRUE(RunInfo(host, {.image = kTop, .backing_chain = true}).has_value());
  EXPECT_THAT(host.opened(), IsEmpty());
  EXPECT_THAT(ReportText(host), HasSubstr("data-file: 'data'"));
}

TEST(Info, AStatedFormatIsFinal) {
  FakeHost host;
  ImageBuilder(host, kTop, 1 << 20).Finish();
  ASSERT_TRUE(RunInfo(host, {.image = {kTop, FormatId::kRaw}}).has_value());
  EXPECT_THAT(ReportText(host), HasSubstr("format: 'raw'"));
}

TEST(Info, AFailureToDeliverTheReportIsAnError) {
  FakeHost host;
  MakeRaw(host, kTop, 1 << 20, {});
  host.Fail(FakeHost::Call::kEmit, 1, {.code = ErrorCode::kIo, .message = "gone"});
  const Status status = RunInfo(host, {.image = kTop});
  ASSERT_FALSE(status.has_value());
  EXPECT_STREQ(status.error().message, "gone");
}

}  // namespace
}  // namespace instar::test
