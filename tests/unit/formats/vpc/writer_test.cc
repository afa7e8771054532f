#include <gtest/gtest.h>

#include <array>

#include "formats/measure.h"
#include "formats/open.h"
#include "formats/vpc/footer.h"
#include "formats/vpc/format.h"
#include "support/fresh_image.h"
#include "support/memory_device.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

Result<std::unique_ptr<ImageWriter>> New(MemoryDevice& target, std::uint64_t bytes,
                                         std::string_view options = "") {
  return NewImage(FormatId::kVpc, target, bytes, options);
}

std::uint8_t ByteAt(const MemoryDevice& device, std::uint64_t offset) {
  const auto reader = OpenImage(device, FormatId::kVpc).value();
  const auto extent = reader->OpenCursor().value()->Next(offset, 1).value();
  if (extent.kind != ExtentKind::kData) return 0;
  return static_cast<std::uint8_t>(device.bytes[extent.file_offset]);
}

TEST(VpcWriter, DynamicDisksReadBackAndHaveNoMoreThanTheirBlocks) {
  MemoryDevice target(1000, DeviceId{1});
  const auto writer = New(target, 9 * kMiB).value();
  ASSERT_TRUE(writer->Begin());
  Put(*writer, target, 2 * kMiB, 4 * kMiB, 0x11);
  Put(*writer, target, 8 * kMiB, kMiB, 0x22);
  ASSERT_TRUE(writer->Finish());
  EXPECT_EQ(ByteAt(target, 0), 0);
  EXPECT_EQ(ByteAt(target, 2 * kMiB), 0x11);
  EXPECT_EQ(ByteAt(target, 6 * kMiB - 1), 0x11);
  EXPECT_EQ(ByteAt(target, 6 * kMiB), 0);
  EXPECT_EQ(ByteAt(target, 9 * kMiB - 1), 0x22);
  EXPECT_EQ(ByteAt(target, 9 * kMiB), 0);
  EXPECT_EQ(target.bytes.size(), 4096 + 3 * (2 * kMiB + 4096) - 4096 + 512);
}

TEST(VpcWriter, SizesAreRoundedUpToTheGeometryUnlessForced) {
  struct Case {
    std::string_view options;
    std::uint64_t size, rounded;
  };
  for (const Case& c :
       {Case{"", 1'000'000, 1'009'664}, Case{"force_size=on", 1'000'000, 1'000'448},
        Case{"subformat=fixed", 512, 34'816}, Case{"subformat=fixed,force_size", 512, 512},
        Case{"", 0, 0}, Case{"azure=on", 1'000'000, kMiB}, Case{"azure", 3 * kMiB, 3 * kMiB},
        Case{"azure,subformat=fixed", 3 * kMiB + 1, 4 * kMiB}}) {
    MemoryDevice target(0, DeviceId{1});
    const auto writer = New(target, c.size, c.options);
    ASSERT_TRUE(writer) << c.options;
    ASSERT_TRUE((*writer)->Begin());
    ASSERT_TRUE((*writer)->Finish());
    const auto reader = OpenImage(target, FormatId::kVpc);
    ASSERT_TRUE(reader) << c.options << reader.error().message;
    EXPECT_EQ((*reader)->virtual_size_bytes(), c.rounded) << c.options;
  }
}

TEST(VpcWriter, AzureDisksAreFixedAndTheFileIsOneFooterLonger) {
  MemoryDevice target(0, DeviceId{1});
  const auto writer = New(target, 3 * kMiB - 5, "azure=on").value();
  ASSERT_TRUE(writer->Begin());
  ASSERT_TRUE(writer->Finish());
  EXPECT_EQ(target.bytes.size(), 3 * kMiB + 512);
  const auto footer = vpc::Footer::DecodeFrom(std::span(target.bytes).subspan(3 * kMiB));
  ASSERT_TRUE(footer);
  EXPECT_EQ(footer->type, vpc::DiskType::kFixed);
  EXPECT_EQ(footer->current_bytes, 3 * kMiB);
}

TEST(VpcWriter, WhatItCannotWriteIsRefusedBeforeTheTargetIsTouched) {
  MemoryDevice target(7, DeviceId{1});
  EXPECT_FALSE(New(target, (vpc::kMaxSectors * 512) + 1));
  EXPECT_FALSE(New(target, kMiB, "azure=on,subformat=dynamic"));
  EXPECT_FALSE(New(target, kMiB, "subformat=sparse"));
  EXPECT_FALSE(New(target, kMiB, "cluster_size=64k"));
  EXPECT_FALSE(CreateImage({.format = FormatId::kVpc,
                            .virtual_size_bytes = kMiB,
                            .backing_name = "base",
                            .target = &target}));
  EXPECT_FALSE(CreateImage(
      {.format = FormatId::kVpc, .virtual_size_bytes = kMiB, .target = &target, .compress = true}));
  EXPECT_EQ(target.bytes.size(), 7U);
}

TEST(VpcWriter, NothingSaysVhdBeforeTheEnd) {
  MemoryDevice target(0, DeviceId{1});
  const auto writer = New(target, 4 * kMiB).value();
  ASSERT_TRUE(writer->Begin());
  Put(*writer, target, 0, 2 * kMiB, 0x11);
  EXPECT_EQ(ProbeFormat(target).value(), FormatId::kRaw);
  ASSERT_TRUE(writer->Finish());
  EXPECT_EQ(ProbeFormat(target).value(), FormatId::kVpc);
}

TEST(VpcWriter, AnOldTargetShowsNothingOfWhatItHeld) {
  MemoryDevice target(12 * kMiB, DeviceId{1});
  target.Fill(0, 12 * kMiB, 0xEE);
  target.reads_zero = false;
  const auto writer = New(target, 4 * kMiB).value();
  ASSERT_TRUE(writer->Begin());
  Put(*writer, target, 2 * kMiB, 512, 0x11);
  ASSERT_TRUE(writer->Finish());
  EXPECT_EQ(ByteAt(target, 0), 0);
  EXPECT_EQ(ByteAt(target, 2 * kMiB), 0x11);
  EXPECT_EQ(ByteAt(target, 2 * kMiB + 512), 0);
}

TEST(VpcWriter, TheSameRequestGivesTheSameBytes) {
  MemoryDevice a(0, DeviceId{1});
  MemoryDevice b(0, DeviceId{1});
  for (MemoryDevice* target : {&a, &b}) {
    const auto writer = New(*target, 4 * kMiB).value();
    ASSERT_TRUE(writer->Begin());
    ASSERT_TRUE(writer->Finish());
  }
  EXPECT_EQ(a.bytes, b.bytes);
}

TEST(VpcWriter, TheIdentifierFollowsFromTheSeedWhateverTheNameAndTheKind) {
  std::array<MemoryDevice, 3> targets;
  constexpr std::array<std::string_view, 3> kNames = {"a.vhd", "a.vhd", "b.vhd"};
  constexpr std::array<std::string_view, 3> kOptions = {"", "", "subformat=fixed"};
  const std::array<IdentitySeed, 3> seeds = {IdentitySeed{std::byte{1}}, IdentitySeed{std::byte{2}},
                                             IdentitySeed{std::byte{1}}};
  std::array<std::array<std::byte, 16>, 3> ids{};
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto writer = CreateImage({.format = FormatId::kVpc,
                                     .virtual_size_bytes = kMiB,
                                     .options = test::Settings(FormatId::kVpc, kOptions[i]),
                                     .target = &targets[i],
                                     .target_name = kNames[i]})
                            .value();
    writer->SetIdentity(seeds[i]);
    ASSERT_TRUE(writer->Begin());
    ASSERT_TRUE(writer->Finish());
    const auto footer = std::span(targets[i].bytes).last(vpc::Footer::kBytes);
    ids[i] = vpc::Footer::DecodeFrom(footer)->unique_id;
  }
  EXPECT_NE(ids[0], ids[1]);
  EXPECT_EQ(ids[0], ids[2]);
}

TEST(VpcWriter, IntoAnExistingFixedDiskOnlyWhatIsPlacedIsWritten) {
  MemoryDevice target(0, DeviceId{1});
  const auto fresh = New(target, 2 * kMiB, "azure=on").value();
  ASSERT_TRUE(fresh->Begin());
  Put(*fresh, target, 0, 2 * kMiB, 0x11);
  ASSERT_TRUE(fresh->Finish());
  const auto footer = std::vector<std::byte>(target.bytes.end() - 512, target.bytes.end());

  const CreateOptions options{
      .format = FormatId::kVpc, .virtual_size_bytes = kMiB, .target = &target};
  const auto writer = OpenForWriting(options).value();
  EXPECT_FALSE(writer->unplaced_reads_zero());
  EXPECT_FALSE(writer->placed_reads_zero());
  ASSERT_TRUE(writer->Begin());
  Put(*writer, target, 512, 512, 0x22);
  ASSERT_TRUE(writer->PlaceZero(4096, 512));
  ASSERT_TRUE(writer->Finish());
  EXPECT_EQ(ByteAt(target, 0), 0x11);
  EXPECT_EQ(ByteAt(target, 512), 0x22);
  EXPECT_EQ(ByteAt(target, 4096), 0);
  EXPECT_EQ(ByteAt(target, 2 * kMiB - 1), 0x11);
  EXPECT_TRUE(std::equal(footer.begin(), footer.end(), target.bytes.end() - 512));
}

TEST(VpcWriter, AnExistingFixedDiskMustBeLargeEnough) {
  MemoryDevice target(0, DeviceId{1});
  const auto fixed = New(target, 2 * kMiB, "azure=on").value();
  ASSERT_TRUE(fixed->Begin());
  ASSERT_TRUE(fixed->Finish());
  const auto small =
      OpenForWriting({.format = FormatId::kVpc, .virtual_size_bytes = 3 * kMiB, .target = &target});
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().code, ErrorCode::kNoSpace);
}

TEST(VpcMeasurer, TellsTheLengthOfTheFile) {
  for (const std::string_view options : {"", "subformat=fixed", "azure=on", "force_size=on"}) {
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{512}, 5 * kMiB, 9 * kMiB}) {
      MemoryDevice target(0, DeviceId{1});
      const auto writer = New(target, size, options).value();
      const auto measurer = MeasureImage({.format = FormatId::kVpc,
                                          .virtual_size_bytes = size,
                                          .options = test::Settings(FormatId::kVpc, options)});
      ASSERT_TRUE(measurer);
      ASSERT_TRUE(writer->Begin());
      if (size > kMiB) {
        Put(*writer, target, kMiB, 2 * kMiB, 0x11);
        ASSERT_TRUE((*measurer)->AddData(kMiB, kMiB));
        ASSERT_TRUE((*measurer)->AddData(2 * kMiB, kMiB));
      }
      ASSERT_TRUE(writer->Finish());
      const auto measured = (*measurer)->Finish();
      ASSERT_TRUE(measured);
      EXPECT_EQ(measured->required_bytes, target.bytes.size()) << options << size;
      EXPECT_GE(measured->fully_allocated_bytes, measured->required_bytes);
    }
  }
}

}  // namespace
}  // namespace instar::test
