#include "cli/info_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>
#include <string>

#include "cli/printed.h"
#include "cli/sample_image.h"

namespace instar::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr QemuVersion kOld{7, 2};
constexpr QemuVersion kNew{8, 0};

std::string InfoJson(std::span<const vmm::ImageInfo> images,
                     std::span<const vmm::OpenedReference> opened, bool chain,
                     QemuVersion version) {
  return Printed([&](TextOutput& out) { WriteInfoJson(images, opened, chain, version, out); });
}

TEST(InfoJson, MembersComeInTheOrderOfQemuImg) {
  const vmm::ImageInfo image = SampleImage();
  EXPECT_EQ(InfoJson({&image, 1}, {}, false, kOld),
            "{\n"
            "    \"backing-filename-format\": \"qcow2\",\n"
            "    \"snapshots\": [\n"
            "        {\n"
            "            \"icount\": 7,\n"
            "            \"vm-clock-nsec\": 45000000,\n"
            "            \"name\": \"before \\u001B[2J\",\n"
            "            \"date-sec\": 1700000000,\n"
            "            \"date-nsec\": 5,\n"
            "            \"vm-clock-sec\": 3723,\n"
            "            \"id\": \"1\",\n"
            "            \"vm-state-size\": 3145728\n"
            "        }\n"
            "    ],\n"
            "    \"virtual-size\": 10485760,\n"
            "    \"filename\": \"dir/top.qcow2\",\n"
            "    \"cluster-size\": 65536,\n"
            "    \"format\": \"qcow2\",\n"
            "    \"actual-size\": 225280,\n"
            "    \"format-specific\": {\n"
            "        \"type\": \"qcow2\",\n"
            "        \"data\": {\n"
            "            \"compat\": \"1.1\",\n"
            "            \"compression-type\": \"zlib\",\n"
            "            \"bitmaps\": [\n"
            "                {\n"
            "                    \"flags\": [\n"
            "                        \"auto\"\n"
            "                    ],\n"
            "                    \"name\": \"b0\",\n"
            "                    \"granularity\": 65536\n"
            "                }\n"
            "            ],\n"
            "            \"corrupt\": false\n"
            "        }\n"
            "    },\n"
            "    \"full-backing-filename\": \"dir/base.qcow2\",\n"
            "    \"encrypted\": true,\n"
            "    \"backing-filename\": \"base.qcow2\",\n"
            "    \"dirty-flag\": true\n"
            "}\n");
}

TEST(InfoJson, ADescribedImageIsNamedSoAndItsFileByItsPath) {
  vmm::ImageInfo image = SampleRawImage();
  image.filename = "json:{}";
  const std::string text = InfoJson({&image, 1}, {}, false, kNew);
  EXPECT_THAT(text, HasSubstr("\n                \"filename\": \"r.raw\","));
  EXPECT_THAT(text, HasSubstr("\n    \"filename\": \"json:{}\","));
}

TEST(InfoJson, AFileAsItIsHasNoChildren) {
  const vmm::ImageInfo image = SampleRawImage("file");
  EXPECT_THAT(InfoJson({&image, 1}, {}, false, kNew),
              HasSubstr("{\n    \"children\": [\n    ],\n"));
}

TEST(InfoJson, Version80AddedTheChildren) {
  const vmm::ImageInfo image = SampleRawImage();
  EXPECT_EQ(InfoJson({&image, 1}, {}, false, kNew),
            "{\n"
            "    \"children\": [\n"
            "        {\n"
            "            \"name\": \"file\",\n"
            "            \"info\": {\n"
            "                \"children\": [\n"
            "                ],\n"
            "                \"virtual-size\": 1024,\n"
            "                \"filename\": \"r.raw\",\n"
            "                \"format\": \"file\",\n"
            "                \"actual-size\": 4096,\n"
            "                \"format-specific\": {\n"
            "                    \"type\": \"file\",\n"
            "                    \"data\": {\n"
            "                    }\n"
            "                },\n"
            "                \"dirty-flag\": false\n"
            "            }\n"
            "        }\n"
            "    ],\n"
            "    \"virtual-size\": 1024,\n"
            "    \"filename\": \"r.raw\",\n"
            "    \"format\": \"raw\",\n"
            "    \"actual-size\": 4096,\n"
            "    \"dirty-flag\": false\n"
            "}\n");
}

TEST(InfoJson, WhatWasOpenedForTheImageStandsLast) {
  const vmm::ImageInfo image = SampleImage();
  const vmm::OpenedReference opened[] = {
      {.kind = vmm::ReferenceKind::kBackingFile, .image = "top", .path = "dir/base"},
      {.kind = vmm::ReferenceKind::kDataFile, .image = "dir/base", .path = "dir/data"}};
  const std::string plain = InfoJson({&image, 1}, {}, false, kOld);
  const std::string more = InfoJson({&image, 1}, opened, false, kOld);
  EXPECT_EQ(plain.find("opened-references"), std::string::npos);
  EXPECT_EQ(more, plain.substr(0, plain.size() - 3) + R"(,
    "opened-references": [
        {
            "kind": "backing-file",
            "filename": "dir/base",
            "named-by": "top"
        },
        {
            "kind": "data-file",
            "filename": "dir/data",
            "named-by": "dir/base"
        }
    ]
}
)");
}

TEST(InfoJson, AChainIsAnArrayEvenOfOne) {
  const vmm::ImageInfo image = SampleRawImage();
  EXPECT_THAT(InfoJson({&image, 1}, {}, true, kOld),
              StartsWith("[\n    {\n        \"virtual-size\""));
}

TEST(InfoJson, TheNumberOfTheDeviceIsNotShown) {
  const vmm::ImageInfo image = SampleImage();
  EXPECT_THAT(InfoJson({&image, 1}, {}, false, kOld), Not(HasSubstr("device")));
}

}  // namespace
}  // namespace instar::cli
