#include "formats/vmdk/writer.h"

#include <gtest/gtest.h>

#include <string>

#include "formats/measure.h"
#include "support/option_settings.h"
#include "support/vmdk_image.h"

namespace instar {
namespace {

using test::kGrain;
using test::MapOf;
using test::MemoryDevice;
using test::OpenVmdk;
using test::ReadVmdk;
using test::WriteVmdk;

class VmdkWriter : public testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] std::string Options() const { return std::string("subformat=") + GetParam(); }
};

TEST_P(VmdkWriter, WhatIsWrittenIsRead) {
  const std::uint64_t size = 520 * kGrain + 1536;  // two grain tables
  auto image = WriteVmdk(Options(), size,
                         {{0, "first"},
                          {511 * kGrain, "last of a table"},
                          {512 * kGrain, "next"},
                          {520 * kGrain, std::string(1536, 'e')}});
  const auto reader = OpenVmdk(image);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->virtual_size_bytes(), size);
  const auto at = [&](std::uint64_t offset, std::uint64_t length) {
    const auto text = ReadVmdk(image, **reader, offset, length);
    return text ? *text : std::string(text.error().message);
  };
  EXPECT_EQ(at(0, 7), std::string("first\0\0", 7));
  EXPECT_EQ(at(kGrain, 3), std::string(3, '\0'));
  EXPECT_EQ(at(511 * kGrain, 4), "last");
  EXPECT_EQ(at(512 * kGrain, 4), "next");
  EXPECT_EQ(at(520 * kGrain, 1536), std::string(1536, 'e'));
}

TEST_P(VmdkWriter, MeasureTellsTheLengthOfTheFiles) {
  const std::uint64_t size = 520 * kGrain;
  auto measurer = MeasureImage({.format = FormatId::kVmdk,
                                .virtual_size_bytes = size,
                                .options = test::Settings(FormatId::kVmdk, Options()),
                                .target_name = "disk.vmdk"});
  ASSERT_TRUE(measurer);
  ASSERT_TRUE((*measurer)->AddData(0, 10));
  ASSERT_TRUE((*measurer)->AddData(512 * kGrain, kGrain + 1));
  const auto measured = (*measurer)->Finish();
  ASSERT_TRUE(measured);
  auto image = WriteVmdk(Options(), size, {{0, "a"}, {512 * kGrain, "b"}, {513 * kGrain, "c"}});
  std::uint64_t bytes = 0;
  for (const auto& file : image.files) bytes += file->size_bytes();
  if (Options() == "subformat=streamOptimized") {
    EXPECT_LT(bytes, measured->required_bytes) << "grains that compress take less";
  } else {
    EXPECT_EQ(bytes, measured->required_bytes);
  }
  EXPECT_GE(measured->fully_allocated_bytes, measured->required_bytes);
}

TEST_P(VmdkWriter, ADiskOfNoSizeIsWritten) {
  auto image = WriteVmdk(Options(), 0, {});
  EXPECT_EQ(image.files.size(), 1u);
  const auto reader = OpenVmdk(image);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->virtual_size_bytes(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Subformats, VmdkWriter,
                         testing::Values("monolithicSparse", "monolithicFlat",
                                         "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
                                         "streamOptimized"),
                         [](const auto& tested) { return tested.param; });

TEST(VmdkFreshImage, IsNoneUntilItIsFinished) {
  for (const char* options : {"", "subformat=twoGbMaxExtentFlat"}) {
    MemoryDevice target(0, DeviceId{1});
    MemoryDevice extent(0, DeviceId{2});
    TargetDevice* const extents[] = {&extent};
    const bool divided = *options != '\0';
    auto writer = CreateImage({.format = FormatId::kVmdk,
                               .virtual_size_bytes = kGrain,
                               .options = test::Settings(FormatId::kVmdk, options),
                               .target = &target,
                               .extents = std::span(extents).first(divided ? 1 : 0),
                               .target_name = "d.vmdk"});
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->Begin());
    ASSERT_TRUE((*writer)->PlaceData(0, kGrain));
    EXPECT_FALSE(vmdk::OpenReader(target)) << options;
    ASSERT_TRUE((*writer)->Finish());
    EXPECT_TRUE(vmdk::OpenReader(target)) << options;
  }
}

// A target that can only grow, as a pipe does.
class Pipe final : public TargetDevice {
 public:
  [[nodiscard]] DeviceId id() const override { return DeviceId{1}; }
  [[nodiscard]] std::uint64_t size_bytes() const override { return end_; }
  Status Read(std::uint64_t, std::span<std::byte>) const override {
    ADD_FAILURE() << "a pipe is not read";
    return {};
  }
  Status Write(std::uint64_t offset, std::span<const std::byte> data) override {
    EXPECT_GE(offset, end_) << "what is written is not changed";
    end_ = offset + data.size();
    return {};
  }
  Status Resize(std::uint64_t size, Preallocation) override {
    EXPECT_EQ(size, 0u);
    return {};
  }
  Status Flush() override { return {}; }
  Status Zero(std::uint64_t, std::uint64_t) override {
    ADD_FAILURE() << "nothing is zeroed";
    return {};
  }
  [[nodiscard]] bool fresh_reads_zero() const override { return true; }

 private:
  std::uint64_t end_ = 0;
};

TEST(VmdkStream, IsWrittenInTheOrderOfTheFile) {
  Pipe pipe;
  auto made = CreateImage({.format = FormatId::kVmdk,
                           .virtual_size_bytes = 1030 * kGrain,
                           .options = test::Settings(FormatId::kVmdk, "subformat=streamOptimized"),
                           .target = &pipe});
  ASSERT_TRUE(made);
  ImageWriter& writer = **made;
  ASSERT_TRUE(writer.compresses(false));
  ASSERT_TRUE(writer.Begin());
  const std::vector<std::byte> unit(kGrain, std::byte{7});
  std::vector<std::byte> out(writer.max_compressed_bytes());
  for (const std::uint64_t grain : {0, 1, 511, 512, 1029}) {
    const auto bytes = writer.CompressAt(0, grain * kGrain, unit, out);
    ASSERT_TRUE(bytes);
    const auto place = writer.PlaceCompressed(grain * kGrain, *bytes);
    ASSERT_TRUE(place);
    EXPECT_EQ(place->file_offset % 512, 0u);
    ASSERT_TRUE(pipe.Write(place->file_offset, std::span<const std::byte>(out).first(*bytes)));
  }
  ASSERT_TRUE(writer.Finish());
}

TEST(VmdkStream, AGrainThatDoesNotCompressIsStoredAllTheSame) {
  std::string noise(kGrain, '\0');
  std::uint64_t state = 1;
  for (char& c : noise) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    c = static_cast<char>(state >> 56);
  }
  auto image = WriteVmdk("subformat=streamOptimized", kGrain, {{0, noise}});
  const auto reader = OpenVmdk(image);
  ASSERT_TRUE(reader);
  const auto text = ReadVmdk(image, **reader, 0, kGrain);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, noise);
}

TEST(VmdkChild, SaysZerosInEachOfItsWays) {
  auto base = WriteVmdk("", 2 * kGrain, {{0, "x"}});
  const auto parent = OpenVmdk(base);
  ASSERT_TRUE(parent);
  struct Way {
    const char* options;
    const char* map;
  };
  for (const Way& way :
       {Way{"", "data 0+65536 @1:65536\nunallocated 65536+65536\n"},
        Way{"zeroed_grain=on", "zero 0+65536\nunallocated 65536+65536\n"},
        Way{"subformat=streamOptimized", "compressed 0+65536\nunallocated 65536+65536\n"},
        Way{"subformat=streamOptimized,zeroed_grain=on",
            "zero 0+65536\nunallocated 65536+65536\n"}}) {
    auto child = WriteVmdk(way.options, 2 * kGrain, {}, parent->get(), {0});
    const auto reader = OpenVmdk(child);
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ(MapOf(**reader), way.map) << way.options;
    EXPECT_EQ(*ReadVmdk(child, **reader, 0, 4), std::string(4, '\0')) << way.options;
  }
}

TEST(VmdkFreshImage, ItsContentIdFollowsFromTheSeed) {
  for (const char* options : {"", "subformat=monolithicFlat", "subformat=twoGbMaxExtentSparse",
                              "subformat=streamOptimized"}) {
    const IdentitySeed seed{std::byte{1}};
    const IdentitySeed other{std::byte{2}};
    auto once = WriteVmdk(options, kGrain, {{0, "x"}}, nullptr, {}, seed);
    auto again = WriteVmdk(options, kGrain, {{0, "x"}}, nullptr, {}, seed);
    auto another = WriteVmdk(options, kGrain, {{0, "x"}}, nullptr, {}, other);
    auto larger = WriteVmdk(options, 2 * kGrain, {{0, "x"}}, nullptr, {}, seed);
    EXPECT_EQ(once[0].bytes, again[0].bytes) << options;
    const auto cid = [](test::VmdkFiles& image) {
      const auto reader = vmdk::Reader::Open(image[0]);
      return (*reader)->descriptor().cid;
    };
    EXPECT_NE(cid(once), cid(another)) << options;
    EXPECT_EQ(cid(once), cid(larger)) << options;
  }
}

}  // namespace
}  // namespace instar
