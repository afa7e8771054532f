#include "cli/info_human.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <span>
#include <string>

#include "cli/printed.h"
#include "cli/sample_image.h"

namespace instar::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr QemuVersion kOld{7, 2};
constexpr QemuVersion kNew{10, 1};

class InfoHuman : public testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC-1", 1);  // one hour east of Greenwich
    tzset();
  }
  void TearDown() override {
    unsetenv("TZ");
    tzset();
  }
};

std::string InfoText(std::span<const vmm::ImageInfo> images, QemuVersion version) {
  return Printed([&](TextOutput& out) { WriteInfoText(images, version, out); });
}

std::string Text(const vmm::ImageInfo& image, QemuVersion version) {
  return InfoText({&image, 1}, version);
}

TEST_F(InfoHuman, EveryLineOfAnOverlayIsPrintedAsQemuImg72Does) {
  EXPECT_EQ(Text(SampleImage(), kOld),
            "image: dir/top.qcow2\n"
            "file format: qcow2\n"
            "virtual size: 10 MiB (10485760 bytes)\n"
            "disk size: 220 KiB\n"
            "encrypted: yes\n"
            "cluster_size: 65536\n"
            "cleanly shut down: no\n"
            "backing file: base.qcow2 (actual path: dir/base.qcow2)\n"
            "backing file format: qcow2\n"
            "Snapshot list:\n"
            "ID        TAG               VM SIZE                DATE     VM CLOCK     ICOUNT\n"
            "1         before \\x1b[2J      3 MiB 2023-11-14 23:13:20 01:02:03.045          7\n"
            "Format specific information:\n"
            "    compat: 1.1\n"
            "    compression type: zlib\n"
            "    bitmaps:\n"
            "        [0]:\n"
            "            flags:\n"
            "                [0]: auto\n"
            "            name: b0\n"
            "            granularity: 65536\n"
            "    corrupt: false\n");
}

TEST_F(InfoHuman, Version90WidenedTheTableOfSnapshots) {
  EXPECT_THAT(
      Text(SampleImage(), kNew),
      HasSubstr(
          "ID      TAG               VM_SIZE                DATE        VM_CLOCK     ICOUNT\n"
          "1       before \\x1b[2J      3 MiB 2023-11-14 23:13:20  0001:02:03.045          7\n"));
}

TEST_F(InfoHuman, AMissingIcountIsTwoDashesFrom90On) {
  const vmm::ReportTree report = vmm::ReportOf([](ReportSink& sink) {
    sink.BeginArray("snapshots");
    sink.BeginObject({});
    sink.String("id", "1");
    sink.String("name", "s");
    sink.EndObject();
    sink.EndArray();
  });
  const auto table = [&report](QemuVersion version) {
    return Printed(
        [&](TextOutput& out) { WriteSnapshotTable(*report.Find("snapshots"), version, out); });
  };
  EXPECT_THAT(table(kNew), HasSubstr("0000:00:00.000         --\n"));
  EXPECT_THAT(table(kOld), HasSubstr("00:00:00.000           \n"));
}

TEST_F(InfoHuman, Version80AddedTheFileBelowTheFormat) {
  EXPECT_EQ(Text(SampleRawImage(), kOld),
            "image: r.raw\nfile format: raw\nvirtual size: 1 KiB (1024 bytes)\ndisk size: 4 KiB\n");
  EXPECT_EQ(Text(SampleRawImage(), kNew),
            "image: r.raw\nfile format: raw\nvirtual size: 1 KiB (1024 bytes)\ndisk size: 4 KiB\n"
            "Child node '/file':\n"
            "    filename: r.raw\n"
            "    protocol type: file\n"
            "    file length: 1 KiB (1024 bytes)\n"
            "    disk size: 4 KiB\n");
}

TEST_F(InfoHuman, ADescribedImageIsShownWithTheFileItStandsIn) {
  vmm::ImageInfo image = SampleRawImage();
  image.filename = "json:{}";
  EXPECT_THAT(Text(image, kNew), HasSubstr("image: json:{}\n"));
  EXPECT_THAT(Text(image, kNew), HasSubstr("    filename: r.raw\n"));
}

TEST_F(InfoHuman, AFileAsItIsHasNoNodeBelow) {
  const vmm::ImageInfo image = SampleRawImage("file");
  EXPECT_THAT(Text(image, kNew), HasSubstr("file format: file\n"));
  EXPECT_THAT(Text(image, kNew), Not(HasSubstr("Child node")));
}

TEST_F(InfoHuman, ImagesOfAChainAreSeparatedByEmptyLines) {
  const vmm::ImageInfo images[] = {SampleRawImage(), SampleRawImage()};
  const std::string one = InfoText({images, 1}, kOld);
  EXPECT_EQ(InfoText(images, kOld), one + "\n" + one);
}

TEST_F(InfoHuman, TheActualPathIsShownOnlyWhereItDiffers) {
  vmm::ImageInfo image = SampleImage();
  image.full_backing_filename = "base.qcow2";
  EXPECT_THAT(Text(image, kOld), HasSubstr("backing file: base.qcow2\n"));
}

TEST_F(InfoHuman, NothingFromAnImageReachesTheTerminalUnescaped) {
  vmm::ImageInfo image;
  image.filename = "evil\x1b[2J\u2066.qcow2";
  image.full_backing_filename = "\r";
  image.report = vmm::ReportOf([](ReportSink& sink) {
    sink.String("format", "qcow2\x1b");
    sink.String("backing-filename", "b\x9b");
    sink.String("backing-filename-format", "\x7f");
    sink.BeginObject("format-specific");
    sink.BeginObject("data");
    sink.String("data-file", "a\nimage: forged\x1b]0;x\x07");
    sink.BeginArray("key");
    sink.String({}, "\u202e");
    sink.EndArray();
    sink.EndObject();
    sink.EndObject();
  });
  const std::string text = Text(image, kNew);
  for (const char c : text) {
    EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7F)) << "byte " << static_cast<int>(c);
  }
  EXPECT_THAT(text, HasSubstr("    data file: a\\x0aimage: forged\\x1b]0;x\\x07\n"));
}

}  // namespace
}  // namespace instar::cli
