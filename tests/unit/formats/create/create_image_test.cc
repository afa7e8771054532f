#include <gtest/gtest.h>

#include <string>

#include "formats/create.h"
#include "support/memory_device.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

struct Refusal {
  const char* options;
  ErrorCode code;
  const char* words;  // part of the message
  std::uint64_t disk_bytes = 10 << 20;
};

TEST(CreateImage, RefusesWhatQemuImgRefuses) {
  const auto kInvalid = ErrorCode::kInvalidArgument;
  for (const Refusal& c : {
           Refusal{"cluster_size=500", kInvalid, "power of two between 512 and 2048k"},
           Refusal{"cluster_size=256", kInvalid, "power of two between 512 and 2048k"},
           Refusal{"cluster_size=4M", kInvalid, "power of two between 512 and 2048k"},
           Refusal{"cluster_size=0", kInvalid, "power of two between 512 and 2048k"},
           Refusal{"refcount_bits=3", kInvalid, "may not exceed 64 bits"},
           Refusal{"refcount_bits=128", kInvalid, "may not exceed 64 bits"},
           Refusal{"refcount_bits=0", kInvalid, "may not exceed 64 bits"},
           Refusal{"compat=0.10,refcount_bits=1", kInvalid, "require compatibility level 1.1"},
           Refusal{"compat=v2,lazy_refcounts=on", kInvalid, "require compatibility level 1.1"},
           Refusal{"compat=v2,extended_l2=on", kInvalid, "require compatibility level 1.1"},
           Refusal{"compat=v2,compression_type=zstd", kInvalid, "require compatibility level 1.1"},
           Refusal{"extended_l2=on,cluster_size=8k", kInvalid, "clusters of at least {0} bytes"},
           Refusal{"data_file_raw=on", kInvalid, "requires data_file"},
           Refusal{"backing_file=", kInvalid, "backing file name is empty"},
           Refusal{"backing_fmt=raw", kInvalid, "without a backing file"},
           Refusal{"preallocation=metadata,backing_file=b,backing_fmt=raw", kInvalid,
                   "only be used at the same time with extended L2"},
           Refusal{"encryption=on", ErrorCode::kUnsupported, "encrypted"},
           Refusal{"encrypt.format=luks", ErrorCode::kUnsupported, "encrypted"},
           Refusal{"cluster_size=512", ErrorCode::kLimit, "use a larger cluster size",
                   (128ULL << 30) + 512},
           Refusal{"extended_l2=on", ErrorCode::kLimit, "use a larger cluster size", 2ULL << 50},
           Refusal{"", ErrorCode::kLimit, "too large", ~0ULL},
       }) {
    SCOPED_TRACE(c.options);
    MemoryDevice image(0, DeviceId{1});
    const auto writer = CreateImage({.format = FormatId::kQcow2,
                                     .virtual_size_bytes = c.disk_bytes,
                                     .options = test::Settings(FormatId::kQcow2, c.options),
                                     .target = &image});
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().code, c.code);
    EXPECT_NE(std::string(writer.error().message).find(c.words), std::string::npos)
        << writer.error().message;
    EXPECT_EQ(image.writes, 0U);
  }
}

TEST(CreateImage, TakesTheLargestDiskOfEachClusterSize) {
  MemoryDevice image(0, DeviceId{1});
  for (const auto& [options, bytes] :
       {std::pair<const char*, std::uint64_t>{"cluster_size=512", 128ULL << 30},
        {"cluster_size=64k", 2ULL << 50},
        {"extended_l2=on", 1ULL << 50},
        {"cluster_size=2M", 2ULL << 60}}) {
    EXPECT_TRUE(CreateImage({.format = FormatId::kQcow2,
                             .virtual_size_bytes = bytes,
                             .options = test::Settings(FormatId::kQcow2, options),
                             .target = &image}))
        << options;
  }
}

TEST(CreateImage, NamesMustFitIntoTheFirstCluster) {
  MemoryDevice image(0, DeviceId{1});
  const std::string name(1000, 'n');
  const auto with_clusters = [&](const char* options, const std::string& backing) {
    return CreateImage({.format = FormatId::kQcow2,
                        .virtual_size_bytes = 1 << 20,
                        .options = test::Settings(FormatId::kQcow2, options),
                        .backing_name = backing,
                        .backing_format = "raw",
                        .target = &image});
  };
  EXPECT_FALSE(with_clusters("cluster_size=512", name));
  EXPECT_TRUE(with_clusters("cluster_size=512", std::string(300, 'n')));
  EXPECT_TRUE(with_clusters("cluster_size=4k", name));
  EXPECT_FALSE(with_clusters("", std::string(1024, 'n')));
}

TEST(CreateImage, CompressionAgreesWithNeitherPreallocationNorADataFile) {
  MemoryDevice image(0, DeviceId{1});
  MemoryDevice data(0, DeviceId{2});
  EXPECT_FALSE(CreateImage({.format = FormatId::kQcow2,
                            .options = test::Settings(FormatId::kQcow2, "preallocation=metadata"),
                            .target = &image,
                            .compress = true}));
  EXPECT_FALSE(CreateImage({.format = FormatId::kQcow2,
                            .options = test::Settings(FormatId::kQcow2, "data_file=d"),
                            .target = &image,
                            .data_file = &data,
                            .compress = true}));
  EXPECT_FALSE(CreateImage({.format = FormatId::kRaw, .target = &image, .compress = true}));
}

TEST(CreateImage, FormatsThatCannotBeWrittenSaySo) {
  MemoryDevice image(0, DeviceId{1});
  for (const FormatId format : {FormatId::kVdi, FormatId::kLuks, FormatId::kUnknown}) {
    const auto writer = CreateImage({.format = format, .target = &image});
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().code, ErrorCode::kUnsupported);
    EXPECT_FALSE(OpenForWriting({.format = format, .target = &image}));
  }
}

TEST(OpenForWriting, RefusesImagesThatMustNotBeWrittenTo) {
  const auto image_with = [](std::uint64_t incompatible, std::uint64_t autoclear) {
    MemoryDevice image(0, DeviceId{1});
    auto writer =
        CreateImage({.format = FormatId::kQcow2, .virtual_size_bytes = 1 << 20, .target = &image});
    EXPECT_TRUE((*writer)->Begin());
    EXPECT_TRUE((*writer)->Finish());
    image.PutBe64(72, incompatible);
    image.PutBe64(88, autoclear);
    return image;
  };
  const auto open = [](MemoryDevice& image, std::uint64_t bytes) {
    return OpenForWriting(
        {.format = FormatId::kQcow2, .virtual_size_bytes = bytes, .target = &image});
  };
  MemoryDevice good = image_with(0, 0);
  EXPECT_TRUE(open(good, 1 << 20));
  EXPECT_EQ(open(good, 2 << 20).error().code, ErrorCode::kInvalidArgument) << "too small";
  MemoryDevice corrupt = image_with(2, 0);
  EXPECT_EQ(open(corrupt, 1 << 20).error().code, ErrorCode::kCorrupt);
}

TEST(OpenForWriting, CleansAnImageThatWasNotClosedProperly) {
  MemoryDevice image(0, DeviceId{1});
  auto writer =
      CreateImage({.format = FormatId::kQcow2, .virtual_size_bytes = 1 << 20, .target = &image});
  ASSERT_TRUE((*writer)->Begin());
  ASSERT_TRUE((*writer)->Finish());
  image.PutBe64(72, 1);
  auto over =
      OpenForWriting({.format = FormatId::kQcow2, .virtual_size_bytes = 1 << 20, .target = &image});
  ASSERT_TRUE(over);
  ASSERT_TRUE((*over)->Begin());
  EXPECT_EQ(LoadBe64(image.bytes, 72), 0U);
}

TEST(OpenForWriting, PlacesNothingBeforeItHasBegun) {
  MemoryDevice image(0, DeviceId{1});
  auto writer =
      CreateImage({.format = FormatId::kQcow2, .virtual_size_bytes = 1 << 20, .target = &image});
  ASSERT_TRUE((*writer)->Begin());
  ASSERT_TRUE((*writer)->Finish());
  auto over =
      OpenForWriting({.format = FormatId::kQcow2, .virtual_size_bytes = 1 << 20, .target = &image});
  ASSERT_TRUE(over);
  EXPECT_EQ((*over)->PlaceData(0, 65536).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ((*over)->PlaceZero(0, 65536).error().code, ErrorCode::kInvalidArgument);
}

TEST(OpenForWriting, ClearsAutoclearFeaturesItDoesNotKnow) {
  MemoryDevice image(0, DeviceId{1});
  auto writer =
      CreateImage({.format = FormatId::kQcow2, .virtual_size_bytes = 1 << 20, .target = &image});
  ASSERT_TRUE((*writer)->Begin());
  ASSERT_TRUE((*writer)->Finish());
  image.PutBe64(88, std::uint64_t{1} << 40);
  auto over =
      OpenForWriting({.format = FormatId::kQcow2, .virtual_size_bytes = 1 << 20, .target = &image});
  ASSERT_TRUE(over);
  ASSERT_TRUE((*over)->Begin());
  EXPECT_EQ(LoadBe64(image.bytes, 88), 0U);
}

TEST(OpenForWriting, AnL1EntryThatNamesTheRefcountTableIsCorrupt) {
  MemoryDevice image(0, DeviceId{1});
  auto writer =
      CreateImage({.format = FormatId::kQcow2, .virtual_size_bytes = 1 << 20, .target = &image});
  ASSERT_TRUE((*writer)->Begin());
  const auto first = (*writer)->PlaceData(0, 65536);
  ASSERT_TRUE(first);
  ASSERT_TRUE((*writer)->Finish());
  const std::uint64_t l1 = LoadBe64(image.bytes, 40);
  // The L1 entry names the refcount table's cluster as an L2 table.
  image.PutBe64(l1, LoadBe64(image.bytes, 48) | (std::uint64_t{1} << 63));
  auto over =
      OpenForWriting({.format = FormatId::kQcow2, .virtual_size_bytes = 1 << 20, .target = &image});
  ASSERT_TRUE(over);
  const Status begun = (*over)->Begin();
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace instar::test
