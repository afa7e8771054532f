// Promises of the qcow2 writer that need no second opinion.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "crash/disk_writer.h"
#include "formats/create.h"
#include "formats/open.h"
#include "support/memory_device.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

// Records what happens to the file, in order: "write OFFSET" and "flush".
class RecordingDevice final : public TargetDevice {
 public:
  [[nodiscard]] DeviceId id() const override { return memory_.id(); }
  [[nodiscard]] std::uint64_t size_bytes() const override { return memory_.size_bytes(); }
  Status Read(std::uint64_t offset, std::span<std::byte> out) const override {
    return memory_.Read(offset, out);
  }
  Status Write(std::uint64_t offset, std::span<const std::byte> data) override {
    events.push_back(offset == 0 ? "write header" : "write");
    return memory_.Write(offset, data);
  }
  Status WriteAll(std::span<const WritePiece> pieces) override {
    events.push_back("write");
    for (const WritePiece& piece : pieces) INSTAR_TRY(memory_.Write(piece.offset, piece.data));
    return {};
  }
  Status Resize(std::uint64_t size, Preallocation mode) override {
    return memory_.Resize(size, mode);
  }
  Status Flush() override {
    events.push_back("flush");
    return {};
  }
  Status Zero(std::uint64_t offset, std::uint64_t length) override {
    return memory_.Zero(offset, length);
  }
  [[nodiscard]] bool fresh_reads_zero() const override { return true; }

  std::vector<std::string> events;

 private:
  MemoryDevice memory_{0, DeviceId{1}};
};

std::unique_ptr<ImageWriter> NewImage(TargetDevice& target, std::uint64_t bytes,
                                      std::string_view options, bool compress = false) {
  auto writer = CreateImage({.format = FormatId::kQcow2,
                             .virtual_size_bytes = bytes,
                             .options = test::Settings(FormatId::kQcow2, options),
                             .target = &target,
                             .compress = compress});
  EXPECT_TRUE(writer) << writer.error().message;
  return writer ? *std::move(writer) : nullptr;
}

TEST(Qcow2Writer, FileIsNoQcow2ImageBeforeFinish) {
  MemoryDevice image(0, DeviceId{1});
  const auto writer = NewImage(image, 16 << 20, "cluster_size=512");
  ASSERT_TRUE(writer->Begin());
  Disk disk(16 << 20);
  FillNoise(disk, 1);
  DiskWriter disk_writer(*writer, {&image});
  ASSERT_TRUE(disk_writer.PlaceAll(disk));
  EXPECT_EQ(ProbeFormat(image).value(), FormatId::kRaw);
  ASSERT_TRUE(writer->Finish());
  EXPECT_EQ(ProbeFormat(image).value(), FormatId::kQcow2);
}

TEST(Qcow2Writer, TheFileHoldsCompressedDataThatFollowsAPlainClusterWithSubclusters) {
  constexpr std::uint64_t kCluster = 65536;
  MemoryDevice image(0, DeviceId{1});
  const auto writer = NewImage(image, 4 * kCluster, "extended_l2=on", true);
  ASSERT_TRUE(writer->Begin());
  ASSERT_TRUE(writer->PlaceData(0, kCluster));
  const std::vector<std::byte> packed(1000, std::byte{0x5A});
  const auto place = writer->PlaceCompressed(kCluster, packed.size());
  ASSERT_TRUE(place);
  ASSERT_TRUE(image.Write(place->file_offset, packed));
  ASSERT_TRUE(writer->Finish());
  ASSERT_GE(image.bytes.size(), place->file_offset + packed.size());
  EXPECT_EQ(image.bytes[place->file_offset + packed.size() - 1], std::byte{0x5A});
}

TEST(Qcow2Writer, OldHeaderOfATargetThatIsKeptGoesFirst) {
  MemoryDevice image(1 << 20, DeviceId{1});
  image.reads_zero = false;
  image.PutBe32(0, 0x514649FB);
  image.PutBe32(4, 3);
  const auto writer = NewImage(image, 1 << 20, "");
  ASSERT_TRUE(writer->Begin());
  EXPECT_EQ(ProbeFormat(image).value(), FormatId::kRaw);
}

TEST(Qcow2Writer, HeaderIsWrittenLastBetweenTwoFlushes) {
  RecordingDevice target;
  const auto writer = NewImage(target, 1 << 20, "");
  ASSERT_TRUE(writer->Begin());
  ASSERT_TRUE(writer->PlaceData(0, 1 << 20));
  ASSERT_TRUE(writer->Finish());
  ASSERT_GE(target.events.size(), 3U);
  const std::vector<std::string> last(target.events.end() - 3, target.events.end());
  EXPECT_EQ(last, (std::vector<std::string>{"flush", "write header", "flush"}));
  EXPECT_EQ(std::ranges::count(target.events, "write header"), 1);
}

TEST(Qcow2Writer, SmallClustersDoNotMeanManyCalls) {
  RecordingDevice target;
  const auto writer = NewImage(target, 64 << 20, "cluster_size=512");
  ASSERT_TRUE(writer->Begin());
  for (std::uint64_t at = 0; at < 64 << 20;) {
    const auto place = writer->PlaceData(at, (64 << 20) - at);
    ASSERT_TRUE(place);
    at += place->length_bytes;
  }
  ASSERT_TRUE(writer->Finish());
  // 2048 L2 tables and some 500 refcount blocks, 1.3 MiB of metadata with the L1 table.
  EXPECT_LE(target.events.size(), 24U);
}

TEST(Qcow2Writer, OneBitRefcountsNeverShareAClusterOfCompressedData) {
  MemoryDevice image(0, DeviceId{1});
  const auto writer = NewImage(image, 1 << 20, "refcount_bits=1", true);
  ASSERT_TRUE(writer->Begin());
  const auto first = writer->PlaceCompressed(0, 100);
  const auto second = writer->PlaceCompressed(65536, 100);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->file_offset / 65536, second->file_offset / 65536);
}

TEST(Qcow2Writer, WiderRefcountsPackCompressedDataTightlyUntilTheCountIsFull) {
  MemoryDevice image(0, DeviceId{1});
  const auto writer = NewImage(image, 1 << 20, "refcount_bits=2", true);
  ASSERT_TRUE(writer->Begin());
  std::vector<std::uint64_t> offsets;
  for (std::uint64_t i = 0; i < 4; ++i) {
    const auto place = writer->PlaceCompressed(i * 65536, 100);
    ASSERT_TRUE(place);
    offsets.push_back(place->file_offset);
  }
  EXPECT_EQ(offsets[1], offsets[0] + 100);
  EXPECT_EQ(offsets[2], offsets[0] + 200);
  EXPECT_EQ(offsets[3] % 65536, 0U) << "three references are all that two bits count";
}

TEST(Qcow2Writer, CompressedDataMayRunOnIntoTheNextCluster) {
  MemoryDevice image(0, DeviceId{1});
  const auto writer = NewImage(image, 1 << 20, "", true);
  ASSERT_TRUE(writer->Begin());
  const auto first = writer->PlaceCompressed(0, 60000);
  const auto second = writer->PlaceCompressed(65536, 60000);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->file_offset, first->file_offset + 60000);
}

TEST(Qcow2Writer, DataThatDoesNotShrinkCompressesToNothing) {
  MemoryDevice image(0, DeviceId{1});
  for (const char* options : {"", "compression_type=zstd"}) {
    const auto writer = NewImage(image, 1 << 20, options, true);
    std::vector<std::byte> unit(65536);
    std::uint32_t state = 1;
    for (std::byte& b : unit) {
      state = state * 1664525 + 1013904223;
      b = static_cast<std::byte>(state >> 24);
    }
    std::vector<std::byte> out(65536);
    EXPECT_EQ(writer->Compress(0, unit, out).value(), 0U) << options;
    std::ranges::fill(unit, std::byte{'x'});
    const std::size_t packed = writer->Compress(0, unit, out).value();
    EXPECT_GT(packed, 0U) << options;
    EXPECT_LT(packed, 1000U) << options;
  }
}

TEST(Qcow2Writer, PlacesMustBeWholeUnitsOnTheDiskInAscendingOrder) {
  MemoryDevice image(0, DeviceId{1});
  const auto writer = NewImage(image, (1 << 20) + 512, "");
  ASSERT_TRUE(writer->Begin());
  const auto code = [&](std::uint64_t offset, std::uint64_t length) {
    const auto place = writer->PlaceData(offset, length);
    return place ? 0U : static_cast<unsigned>(place.error().code);
  };
  const auto kInvalid = static_cast<unsigned>(ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(512, 65536), kInvalid);
  EXPECT_EQ(code(0, 1000), kInvalid);
  EXPECT_EQ(code(0, 0), kInvalid);
  EXPECT_EQ(code(2 << 20, 65536), kInvalid);
  EXPECT_EQ(code(1 << 20, 65536), kInvalid);
  EXPECT_EQ(code(65536, 65536), 0U);
  EXPECT_EQ(code(0, 65536), kInvalid) << "placed before";
  EXPECT_EQ(code(1 << 20, 512), 0U) << "the end of the disk";
}

TEST(Qcow2Writer, SubclustersOfOneClusterShareItsPlace) {
  MemoryDevice image(0, DeviceId{1});
  const auto writer = NewImage(image, 1 << 20, "extended_l2=on");
  EXPECT_EQ(writer->unit_bytes(), 2048U);
  ASSERT_TRUE(writer->Begin());
  const auto first = writer->PlaceData(2048, 2048);
  const auto second = writer->PlaceData(8192, 65536);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->file_offset % 65536, 2048U);
  EXPECT_EQ(second->file_offset, first->file_offset + 6144);
  EXPECT_EQ(second->length_bytes, 65536U - 8192U);
}

TEST(Qcow2Writer, ATargetWithoutRoomIsAnErrorNotAnImage) {
  MemoryDevice image(0, DeviceId{1});
  image.capacity = 300 << 10;
  const auto writer = NewImage(image, 16 << 20, "");
  Disk disk(16 << 20);
  FillNoise(disk, 3);
  DiskWriter disk_writer(*writer, {&image});
  const Status written = disk_writer.Write(disk);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(ProbeFormat(image).value(), FormatId::kRaw);
}

}  // namespace
}  // namespace instar::test
