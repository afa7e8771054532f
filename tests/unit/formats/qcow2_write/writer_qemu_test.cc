// What the qcow2 writer makes, judged by qemu-img: clean, equal, and no larger than its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "crash/disk_writer.h"
#include "formats/create.h"
#include "formats/qcow2_write/qemu_img.h"
#include "support/memory_device.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

struct Case {
  std::string name;
  std::string options;
  std::size_t disk_bytes = 3 << 20;
  std::size_t run_bytes = 64 << 10;
  bool compress = false;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const char* size :
       {"512", "1k", "2k", "4k", "8k", "16k", "32k", "64k", "128k", "256k", "512k", "1M", "2M"}) {
    for (const bool compress : {false, true}) {
      for (const char* compat : {"v2", "v3"}) {
        cases.push_back(
            {.name = std::string("Clusters") + size + compat + (compress ? "Compressed" : ""),
             .options = std::string("cluster_size=") + size + ",compat=" + compat,
             .disk_bytes = (5 << 20) + 512,
             .run_bytes = 40 << 10,
             .compress = compress});
      }
    }
  }
  for (const char* bits : {"1", "2", "4", "8", "16", "32", "64"}) {
    for (const char* size : {"512", "4k", "64k"}) {
      for (const bool compress : {false, true}) {
        cases.push_back({.name = std::string("Refcounts") + bits + "Clusters" + size +
                                 (compress ? "Compressed" : ""),
                         .options = std::string("refcount_bits=") + bits + ",cluster_size=" + size,
                         .run_bytes = 20 << 10,
                         .compress = compress});
      }
    }
  }
  for (const char* size : {"16k", "64k", "2M"}) {
    for (const bool compress : {false, true}) {
      cases.push_back(
          {.name = std::string("ExtendedL2Clusters") + size + (compress ? "Compressed" : ""),
           .options = std::string("extended_l2=on,cluster_size=") + size,
           .compress = compress});
    }
  }
  for (const char* size : {"512", "4k", "64k", "2M"}) {
    cases.push_back({.name = std::string("ZstdClusters") + size,
                     .options = std::string("compression_type=zstd,cluster_size=") + size,
                     .compress = true});
  }
  for (const char* mode : {"metadata", "falloc", "full"}) {
    for (const char* size : {"512", "64k", "64k,extended_l2=on", "4k,refcount_bits=64"}) {
      std::string name = std::string("Preallocation") + mode + "Clusters" + size;
      std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
      cases.push_back({.name = name,
                       .options = std::string("preallocation=") + mode + ",cluster_size=" + size});
    }
  }
  cases.push_back({.name = "LazyRefcounts", .options = "lazy_refcounts=on"});
  cases.push_back({.name = "EmptyDisk", .options = "", .disk_bytes = 0});
  cases.push_back({.name = "OneSector", .options = "", .disk_bytes = 512});
  cases.push_back(
      {.name = "OneSectorCompressed", .options = "", .disk_bytes = 512, .compress = true});
  return cases;
}

class Qcow2WriterQemu : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
  }

  ScratchFolder folder_;
};

TEST_P(Qcow2WriterQemu, ImageIsCleanEqualAndNoLarger) {
  const Case& c = GetParam();
  const Disk disk = MixedDisk(c.disk_bytes, c.run_bytes);
  MemoryDevice image(0, DeviceId{1});
  const auto writer = CreateImage({.format = FormatId::kQcow2,
                                   .virtual_size_bytes = disk.size(),
                                   .options = test::Settings(FormatId::kQcow2, c.options),
                                   .target = &image,
                                   .compress = c.compress});
  ASSERT_TRUE(writer) << writer.error().message;
  DiskWriter disk_writer(**writer, {&image});
  disk_writer.compress = c.compress;
  const Status written = disk_writer.Write(disk);
  ASSERT_TRUE(written) << written.error().message;

  folder_.Store("ours.qcow2", image.bytes);
  folder_.Store("disk.raw", disk);
  const CommandResult check = folder_.QemuImg("check -f qcow2 ours.qcow2");
  EXPECT_EQ(check.exit_code, 0) << check.output;
  if (disk.empty()) return;  // qemu-img cannot compare empty disks
  const CommandResult compare = folder_.QemuImg("compare -f raw -F qcow2 disk.raw ours.qcow2");
  EXPECT_EQ(compare.exit_code, 0) << compare.output;

  const CommandResult theirs =
      folder_.QemuImg(std::string("convert -f raw -O qcow2 ") + (c.compress ? "-c " : "") +
                      (c.options.empty() ? "" : "-o " + c.options) + " disk.raw theirs.qcow2");
  ASSERT_EQ(theirs.exit_code, 0) << theirs.output;
  const auto limit = std::filesystem::file_size(folder_.Path("theirs.qcow2"));
  EXPECT_LE(image.bytes.size(), limit + limit / 100);
}

INSTANTIATE_TEST_SUITE_P(All, Qcow2WriterQemu, testing::ValuesIn(AllCases()),
                         [](const auto& test) { return test.param.name; });

struct EmptyCase {
  const char* name;
  const char* options;
  const char* size;
  std::uint64_t bytes;
};

TEST(Qcow2WriterEmptyImage, IsCleanAndNoLargerThanThatOfQemuImg) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
  for (const EmptyCase& c : {
           EmptyCase{"gibibyte", "cluster_size=64k", "1G", 1ULL << 30},
           EmptyCase{"small clusters", "cluster_size=512", "1G", 1ULL << 30},
           EmptyCase{"wide refcounts", "cluster_size=512,refcount_bits=64", "1G", 1ULL << 30},
           EmptyCase{"most for 512", "cluster_size=512", "128G", 128ULL << 30},
           EmptyCase{"most at all", "cluster_size=2M", "2E", 2ULL << 60},
           EmptyCase{"preallocated", "preallocation=metadata", "100M", 100ULL << 20},
           EmptyCase{"preallocated small", "preallocation=metadata,cluster_size=1k", "10M",
                     10ULL << 20},
       }) {
    SCOPED_TRACE(c.name);
    ScratchFolder folder;
    MemoryDevice image(0, DeviceId{1});
    const auto writer = CreateImage({.format = FormatId::kQcow2,
                                     .virtual_size_bytes = c.bytes,
                                     .options = test::Settings(FormatId::kQcow2, c.options),
                                     .target = &image});
    ASSERT_TRUE(writer) << writer.error().message;
    ASSERT_TRUE((*writer)->Begin());
    ASSERT_TRUE((*writer)->Finish());
    folder.Store("ours.qcow2", image.bytes);
    const CommandResult check = folder.QemuImg("check -f qcow2 ours.qcow2");
    EXPECT_EQ(check.exit_code, 0) << check.output;
    const CommandResult theirs =
        folder.QemuImg(std::string("create -f qcow2 -o ") + c.options + " theirs.qcow2 " + c.size);
    ASSERT_EQ(theirs.exit_code, 0) << theirs.output;
    const auto limit = std::filesystem::file_size(folder.Path("theirs.qcow2"));
    EXPECT_LE(image.bytes.size(), limit + limit / 100);
  }
}

TEST(Qcow2WriterBacking, ZerosHideTheBackingFileInEveryVersion) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
  for (const char* options :
       {"compat=v2", "compat=v3", "extended_l2=on", "extended_l2=on,preallocation=metadata",
        "extended_l2=on,cluster_size=2M", "cluster_size=512"}) {
    SCOPED_TRACE(options);
    ScratchFolder folder;
    Disk base(2 << 20);
    FillNoise(base, 7);
    folder.Store("base.raw", base);
    const Disk disk = MixedDisk(2 << 20, 50 << 10);
    MemoryDevice image(0, DeviceId{1});
    const auto writer = CreateImage({.format = FormatId::kQcow2,
                                     .virtual_size_bytes = disk.size(),
                                     .options = test::Settings(FormatId::kQcow2, options),
                                     .backing_name = "base.raw",
                                     .backing_format = "raw",
                                     .target = &image});
    ASSERT_TRUE(writer) << writer.error().message;
    EXPECT_FALSE((*writer)->unplaced_reads_zero());
    DiskWriter disk_writer(**writer, {&image});
    const Status written = disk_writer.Write(disk);
    ASSERT_TRUE(written) << written.error().message;
    folder.Store("ours.qcow2", image.bytes);
    folder.Store("disk.raw", disk);
    EXPECT_EQ(folder.QemuImg("check -f qcow2 ours.qcow2").output.substr(0, 9), "No errors");
    const CommandResult compare = folder.QemuImg("compare -f raw -F qcow2 disk.raw ours.qcow2");
    EXPECT_EQ(compare.exit_code, 0) << compare.output;
  }
}

TEST(Qcow2WriterBacking, UnplacedClustersShowTheBackingFile) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
  for (const char* options : {"compat=v2", "compat=v3", "extended_l2=on,preallocation=metadata"}) {
    SCOPED_TRACE(options);
    ScratchFolder folder;
    Disk base(1 << 20);
    FillNoise(base, 9);
    folder.Store("base.raw", base);
    MemoryDevice image(0, DeviceId{1});
    const auto writer = CreateImage({.format = FormatId::kQcow2,
                                     .virtual_size_bytes = base.size(),
                                     .options = test::Settings(FormatId::kQcow2, options),
                                     .backing_name = "base.raw",
                                     .backing_format = "raw",
                                     .target = &image});
    ASSERT_TRUE(writer) << writer.error().message;
    ASSERT_TRUE((*writer)->Begin());
    ASSERT_TRUE((*writer)->Finish());
    folder.Store("ours.qcow2", image.bytes);
    const CommandResult compare = folder.QemuImg("compare -f raw -F qcow2 base.raw ours.qcow2");
    EXPECT_EQ(compare.exit_code, 0) << compare.output;
  }
}

TEST(Qcow2WriterDataFile, DataStandsAtItsOwnOffsetInTheDataFile) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
  for (const char* options :
       {"data_file=data.raw", "data_file=data.raw,data_file_raw=on",
        "data_file=data.raw,cluster_size=512,refcount_bits=1", "data_file=data.raw,extended_l2=on",
        "data_file=data.raw,preallocation=full"}) {
    SCOPED_TRACE(options);
    ScratchFolder folder;
    const Disk disk = MixedDisk((2 << 20) + 512, 50 << 10);
    MemoryDevice image(0, DeviceId{1});
    MemoryDevice data(0, DeviceId{2});
    const auto writer = CreateImage({.format = FormatId::kQcow2,
                                     .virtual_size_bytes = disk.size(),
                                     .options = test::Settings(FormatId::kQcow2, options),
                                     .target = &image,
                                     .data_file = &data});
    ASSERT_TRUE(writer) << writer.error().message;
    DiskWriter disk_writer(**writer, {&image, &data});
    const Status written = disk_writer.Write(disk);
    ASSERT_TRUE(written) << written.error().message;
    folder.Store("ours.qcow2", image.bytes);
    folder.Store("data.raw", data.bytes);
    folder.Store("disk.raw", disk);
    EXPECT_EQ(data.bytes, disk);
    const CommandResult check = folder.QemuImg("check -f qcow2 ours.qcow2");
    EXPECT_EQ(check.exit_code, 0) << check.output;
    const CommandResult compare = folder.QemuImg("compare -f raw -F qcow2 disk.raw ours.qcow2");
    EXPECT_EQ(compare.exit_code, 0) << compare.output;
  }
}

TEST(Qcow2WriterKeptTarget, OldBytesOfATargetThatIsNotEmptyNeverShow) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
  for (const char* options : {"compat=v2", "cluster_size=512", "preallocation=metadata",
                              "extended_l2=on", "cluster_size=4k,refcount_bits=1"}) {
    SCOPED_TRACE(options);
    ScratchFolder folder;
    const Disk disk = MixedDisk(2 << 20, 50 << 10);
    MemoryDevice image(8 << 20, DeviceId{1});
    image.reads_zero = false;
    image.Fill(0, image.bytes.size(), 0xEE);
    const auto writer = CreateImage({.format = FormatId::kQcow2,
                                     .virtual_size_bytes = disk.size(),
                                     .options = test::Settings(FormatId::kQcow2, options),
                                     .target = &image});
    ASSERT_TRUE(writer) << writer.error().message;
    DiskWriter disk_writer(**writer, {&image});
    const Status written = disk_writer.Write(disk);
    ASSERT_TRUE(written) << written.error().message;
    folder.Store("ours.qcow2", image.bytes);
    folder.Store("disk.raw", disk);
    const CommandResult check = folder.QemuImg("check -f qcow2 ours.qcow2");
    EXPECT_EQ(check.exit_code, 0) << check.output;
    const CommandResult compare = folder.QemuImg("compare -f raw -F qcow2 disk.raw ours.qcow2");
    EXPECT_EQ(compare.exit_code, 0) << compare.output;
  }
}

}  // namespace
}  // namespace instar::test
