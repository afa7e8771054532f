// Dirty bitmaps that qemu-img made, copied into fresh images of other cluster sizes.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "crash/disk_writer.h"
#include "formats/create.h"
#include "formats/qcow2/read/bitmap_data.h"
#include "formats/qcow2_write/qemu_img.h"
#include "support/memory_device.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

constexpr std::size_t kDiskBytes = 4 << 20;

struct StoredBitmap {
  std::uint32_t flags = 0;
  unsigned granularity_bits = 0;
  std::vector<std::byte> bits;
  friend bool operator==(const StoredBitmap&, const StoredBitmap&) = default;
};

class Collector final : public qcow2::BitmapVisitor {
 public:
  explicit Collector(const BlockDevice& device, const qcow2::Header& header)
      : device_(device), header_(header) {}
  void Visit(const qcow2::BitmapEntry& entry, std::string_view name) override {
    auto data = qcow2::BitmapData::Open(device_, header_, entry);
    ASSERT_TRUE(data) << data.error().message;
    StoredBitmap& found = bitmaps[std::string(name)];
    found = {.flags = entry.flags, .granularity_bits = entry.granularity_bits, .bits = {}};
    found.bits.resize(data->bytes());
    ASSERT_TRUE(data->Read(0, found.bits));
  }
  std::map<std::string, StoredBitmap> bitmaps;

 private:
  const BlockDevice& device_;
  const qcow2::Header& header_;
};

std::map<std::string, StoredBitmap> BitmapsOf(const MemoryDevice& device) {
  ReadWindow file(device, 4096);
  const auto header = qcow2::Header::DecodeFrom(*file.View(0, qcow2::Header::kFullBytes));
  EXPECT_TRUE(header);
  const auto extensions = qcow2::HeaderExtensions::ReadFrom(file, *header);
  EXPECT_TRUE(extensions);
  if (!extensions->bitmaps) return {};
  Collector collector(device, *header);
  EXPECT_TRUE(qcow2::VisitBitmaps(device, *extensions->bitmaps, collector));
  return collector.bitmaps;
}

class Qcow2BitmapCopy : public testing::Test {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
    // The bitmaps record what convert writes: the data runs of a mixed disk.
    folder_.Store("disk.raw", disk_);
    for (const char* command :
         {"create -f qcow2 source.qcow2 4M", "bitmap --add source.qcow2 wide",
          "bitmap --add -g 512 source.qcow2 fine", "bitmap --add --disable source.qcow2 off",
          "convert -n -f raw -O qcow2 disk.raw source.qcow2"}) {
      const CommandResult result = folder_.QemuImg(command);
      ASSERT_EQ(result.exit_code, 0) << command << ": " << result.output;
    }
    source_.bytes = folder_.Load("source.qcow2");
  }

  ScratchFolder folder_;
  const Disk disk_ = MixedDisk(kDiskBytes, 40 << 10);
  MemoryDevice source_{0, DeviceId{9}};
};

TEST_F(Qcow2BitmapCopy, BitsNamesAndFlagsSurviveEveryClusterSize) {
  const auto before = BitmapsOf(source_);
  ASSERT_EQ(before.size(), 3U);
  EXPECT_FALSE(AllZero(before.at("fine").bits));
  EXPECT_TRUE(AllZero(before.at("off").bits));
  for (const char* size : {"512", "4k", "64k", "2M"}) {
    SCOPED_TRACE(size);
    const std::string options = std::string("cluster_size=") + size;
    MemoryDevice image(0, DeviceId{1});
    const auto writer = CreateImage({.format = FormatId::kQcow2,
                                     .virtual_size_bytes = disk_.size(),
                                     .options = test::Settings(FormatId::kQcow2, options),
                                     .target = &image});
    ASSERT_TRUE(writer) << writer.error().message;
    DiskWriter disk_writer(**writer, {&image});
    ASSERT_TRUE((*writer)->Begin());
    ASSERT_TRUE(disk_writer.PlaceAll(disk_));
    const Status copied = (*writer)->CopyBitmaps(source_, false);
    ASSERT_TRUE(copied) << copied.error().message;
    ASSERT_TRUE((*writer)->Finish());

    EXPECT_TRUE(BitmapsOf(image) == before);
    folder_.Store("ours.qcow2", image.bytes);
    const CommandResult check = folder_.QemuImg("check -f qcow2 ours.qcow2");
    EXPECT_EQ(check.exit_code, 0) << check.output;
    const CommandResult compare = folder_.QemuImg("compare -f raw -F qcow2 disk.raw ours.qcow2");
    EXPECT_EQ(compare.exit_code, 0) << compare.output;
    // qemu-img reads them too: it copies them on.
    const CommandResult onward =
        folder_.QemuImg("convert --bitmaps -f qcow2 -O qcow2 ours.qcow2 onward.qcow2");
    EXPECT_EQ(onward.exit_code, 0) << onward.output;
    MemoryDevice again(0, DeviceId{2});
    again.bytes = folder_.Load("onward.qcow2");
    EXPECT_TRUE(BitmapsOf(again) == before);
  }
}

TEST_F(Qcow2BitmapCopy, ABitmapThatWasNotStoredCompletelyIsRefusedOrLeftOut) {
  ReadWindow file(source_, 4096);
  const auto header = qcow2::Header::DecodeFrom(*file.View(0, qcow2::Header::kFullBytes));
  const auto extensions = qcow2::HeaderExtensions::ReadFrom(file, *header);
  const std::uint64_t first = extensions->bitmaps->directory_offset;
  source_.PutBe32(first + 12, LoadBe32(source_.bytes, first + 12) | qcow2::kBitmapInUse);
  for (const bool skip : {false, true}) {
    MemoryDevice image(0, DeviceId{1});
    const auto writer = CreateImage(
        {.format = FormatId::kQcow2, .virtual_size_bytes = disk_.size(), .target = &image});
    ASSERT_TRUE((*writer)->Begin());
    const Status copied = (*writer)->CopyBitmaps(source_, skip);
    if (!skip) {
      ASSERT_FALSE(copied);
      EXPECT_EQ(copied.error().code, ErrorCode::kCorrupt);
      continue;
    }
    ASSERT_TRUE(copied);
    ASSERT_TRUE((*writer)->Finish());
    EXPECT_EQ(BitmapsOf(image).size(), 2U);
  }
}

TEST_F(Qcow2BitmapCopy, IsRefusedWhereBitmapsCannotBe) {
  MemoryDevice image(0, DeviceId{1});
  const auto old = CreateImage({.format = FormatId::kQcow2,
                                .virtual_size_bytes = disk_.size(),
                                .options = test::Settings(FormatId::kQcow2, "compat=v2"),
                                .target = &image});
  ASSERT_TRUE((*old)->Begin());
  EXPECT_EQ((*old)->CopyBitmaps(source_, false).error().code, ErrorCode::kUnsupported);
  const auto longer = CreateImage(
      {.format = FormatId::kQcow2, .virtual_size_bytes = 2 * disk_.size(), .target = &image});
  ASSERT_TRUE((*longer)->Begin());
  EXPECT_EQ((*longer)->CopyBitmaps(source_, false).error().code, ErrorCode::kUnsupported);
  const auto raw =
      CreateImage({.format = FormatId::kRaw, .virtual_size_bytes = disk_.size(), .target = &image});
  EXPECT_EQ((*raw)->CopyBitmaps(source_, false).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace instar::test
