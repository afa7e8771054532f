// Chains whose backing files the caller chose.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "instar/chain.h"
#include "instar/requests.h"
#include "support/disk_image.h"

namespace instar::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr DeviceId kTop{1};
constexpr DeviceId kMiddle{2};
constexpr DeviceId kBase{3};
constexpr DeviceId kOther{4};
constexpr std::uint64_t kCluster = 65536;

// kTop, which holds nothing, on kMiddle, which holds nothing, on kBase, raw and full; and kOther, a
// raw file that nobody names.
class ChosenChain : public ::testing::Test {
 protected:
  ChosenChain() {
    MakeRaw(host_, kBase, 2 * kCluster, {{0, Pattern(1, 2 * kCluster)}});
    MakeRaw(host_, kOther, 2 * kCluster, {{0, Pattern(9, 2 * kCluster)}});
    host_.AddReference("middle", kMiddle);
    host_.AddReference("base", kBase);
    ImageBuilder(host_, kMiddle, 2 * kCluster, "", "base", "raw").Finish();
    ImageBuilder(host_, kTop, 2 * kCluster, "", "middle", "qcow2").Finish();
  }

  // The devices of the chain, from the top.
  std::vector<DeviceId> Devices(const ImageSource& image) {
    const auto chain = Chain::Open(host_, {.image = image});
    EXPECT_TRUE(chain.has_value()) << (chain ? "" : chain.error().message);
    std::vector<DeviceId> devices;
    if (!chain) return devices;
    for (const Layer& layer : (*chain)->layers()) devices.push_back(layer.device->id());
    return devices;
  }
  Error Refusal(const ImageSource& image) {
    const auto chain = Chain::Open(host_, {.image = image});
    EXPECT_FALSE(chain.has_value());
    return chain ? Error{} : chain.error();
  }

  FakeHost host_;
  ImageSource image_{kTop, FormatId::kQcow2};
};

TEST_F(ChosenChain, WithoutAChoiceTheImagesDecide) {
  EXPECT_THAT(Devices(image_), ElementsAre(kTop, kMiddle, kBase));
}

TEST_F(ChosenChain, AChosenFileTakesThePlaceOfTheOneNamedWhichIsNotOpened) {
  image_.backing = {{.device = kOther, .format = FormatId::kRaw}};
  EXPECT_THAT(Devices(image_), ElementsAre(kTop, kOther));
  EXPECT_THAT(host_.opened(), IsEmpty());
}

TEST_F(ChosenChain, WhatAChosenImageNamesFollows) {
  image_.backing = {{.device = kMiddle, .format = FormatId::kQcow2}};
  EXPECT_THAT(Devices(image_), ElementsAre(kTop, kMiddle, kBase));
}

TEST_F(ChosenChain, AChainThatEndsOpensNothingThatImagesName) {
  image_.ends = true;
  EXPECT_THAT(Devices(image_), ElementsAre(kTop));
  image_.backing = {{.device = kMiddle, .format = FormatId::kQcow2}};
  EXPECT_THAT(Devices(image_), ElementsAre(kTop, kMiddle));
  EXPECT_THAT(host_.opened(), IsEmpty());
}

TEST_F(ChosenChain, ALevelWithoutAFileIsTheOneNamed) {
  image_.backing = {{}, {.device = kOther, .format = FormatId::kRaw}};
  EXPECT_THAT(Devices(image_), ElementsAre(kTop, kMiddle, kOther));
}

TEST_F(ChosenChain, AFormatCanBeChosenForTheFileNamed) {
  image_.backing = {{.format = FormatId::kRaw}};
  const auto chain = Chain::Open(host_, {.image = image_});
  ASSERT_TRUE(chain.has_value());
  ASSERT_EQ((*chain)->layers().size(), 2u);
  EXPECT_EQ((*chain)->layers()[1].reader->format(), FormatId::kRaw);
}

TEST_F(ChosenChain, WithoutAFormatWhatTheImageStatesIsFinal) {
  // kMiddle says its backing file is raw: kTop, a qcow2 image, is not probed there.
  ImageSource image{kMiddle, FormatId::kQcow2};
  image.backing = {{.device = kTop}};
  const auto chain = Chain::Open(host_, {.image = image});
  ASSERT_TRUE(chain.has_value());
  ASSERT_EQ((*chain)->layers().size(), 2u);
  EXPECT_EQ((*chain)->layers()[1].reader->format(), FormatId::kRaw);
}

TEST_F(ChosenChain, WhereNobodyStatesAFormatAChosenFileMayBeRaw) {
  ImageBuilder(host_, kTop, 2 * kCluster, "", "middle", "").Finish();
  image_.backing = {{.device = kOther}};
  EXPECT_THAT(Devices(image_), ElementsAre(kTop, kOther));
  image_.backing = {{.device = kMiddle}};
  EXPECT_THAT(Devices(image_), ElementsAre(kTop, kMiddle, kBase));
}

TEST_F(ChosenChain, AnImageWithoutABackingFileCanBeGivenOne) {
  ImageBuilder(host_, kTop, 2 * kCluster).Finish();
  image_.backing = {{.device = kOther, .format = FormatId::kRaw}};
  EXPECT_THAT(Devices(image_), ElementsAre(kTop, kOther));
  image_.backing = {{.format = FormatId::kRaw}};
  EXPECT_THAT(Refusal(image_).message, HasSubstr("names no backing file"));
}

TEST_F(ChosenChain, ARawImageCannotHaveABackingFile) {
  ImageSource image{kBase, FormatId::kRaw};
  image.backing = {{.device = kOther, .format = FormatId::kRaw}};
  const Error error = Refusal(image);
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.device, kBase);
}

TEST_F(ChosenChain, WindowsAreOfRawImagesOnly) {
  image_.window = RawWindow{.offset_bytes = 512};
  EXPECT_EQ(Refusal(image_).code, ErrorCode::kInvalidArgument);
  ImageSource raw{kOther};
  raw.window = RawWindow{.offset_bytes = kCluster};
  const auto chain = Chain::Open(host_, {.image = raw});
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ((*chain)->virtual_size_bytes(), kCluster);
  EXPECT_EQ((*chain)->layers().front().raw_start_bytes, kCluster);
}

TEST_F(ChosenChain, ABackingFileCanBeAWindow) {
  image_.backing = {{.device = kOther,
                     .format = FormatId::kRaw,
                     .window = RawWindow{.offset_bytes = 512, .size_bytes = kCluster}}};
  const auto chain = Chain::Open(host_, {.image = image_});
  ASSERT_TRUE(chain.has_value());
  const auto cursor = (*chain)->OpenCursor();
  const auto data = (*cursor)->Next(0, 2 * kCluster);
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->extent.device, kOther);
  EXPECT_EQ(data->extent.file_offset, 512u);
  EXPECT_EQ(data->extent.length_bytes, kCluster);
}

TEST_F(ChosenChain, ChosenImagesCountForTheDepth) {
  image_.backing.assign(5, {.device = kMiddle, .format = FormatId::kQcow2});
  image_.ends = true;
  EXPECT_TRUE(Chain::Open(host_, {.image = image_, .max_depth = 6}).has_value());
  const auto chain = Chain::Open(host_, {.image = image_, .max_depth = 5});
  ASSERT_FALSE(chain.has_value());
  EXPECT_EQ(chain.error().code, ErrorCode::kLimit);
}

TEST(ImageSourceWire, AnEncodedSourceIsDecodedAsItWas) {
  ImageSource source{kTop, FormatId::kQcow2};
  source.window = RawWindow{.offset_bytes = 7};
  source.backing = {{.device = kBase, .format = FormatId::kRaw, .window = RawWindow{1, 512}}, {}};
  source.ends = true;
  WireWriter writer;
  EncodeRequest(CompareRequest{.first = source, .second = kOther}, writer);
  const auto request = DecodeRequest<CompareRequest>(writer.bytes());
  EXPECT_EQ(request.first.device, kTop);
  EXPECT_EQ(request.first.format, FormatId::kQcow2);
  EXPECT_EQ(request.first.window, source.window);
  ASSERT_EQ(request.first.backing.size(), 2u);
  EXPECT_EQ(request.first.backing[0].device, kBase);
  EXPECT_EQ(request.first.backing[0].format, FormatId::kRaw);
  EXPECT_EQ(request.first.backing[0].window, (RawWindow{1, 512}));
  EXPECT_EQ(request.first.backing[1].device, kNoDevice);
  EXPECT_FALSE(request.first.backing[1].window);
  EXPECT_TRUE(request.first.ends);
  EXPECT_EQ(request.second.device, kOther);
  EXPECT_FALSE(request.second.ends);
}

TEST(ImageSourceWire, SeveralSourcesKeepTheirOrder) {
  WireWriter writer;
  EncodeRequest(ConvertRequest{.sources = {kBase, {kTop, FormatId::kRaw}}}, writer);
  const auto request = DecodeRequest<ConvertRequest>(writer.bytes());
  ASSERT_EQ(request.sources.size(), 2u);
  EXPECT_EQ(request.sources[0].device, kBase);
  EXPECT_EQ(request.sources[1].device, kTop);
  EXPECT_EQ(request.sources[1].format, FormatId::kRaw);
}

TEST(ImageSourceWire, AFieldOfTheWrongLengthIsNoDevice) {
  for (const std::size_t length : {0, 8, 47, 49, 87}) {
    WireWriter writer;
    writer.Bytes(1, std::vector<std::byte>(length));
    EXPECT_EQ(DecodeRequest<InfoRequest>(writer.bytes()).image.device, kNoDevice) << length;
  }
}

}  // namespace
}  // namespace instar::test
