// Images that qemu-img made, written over by us and judged by qemu-img.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "crash/disk_writer.h"
#include "crash/image_facts.h"
#include "formats/create.h"
#include "formats/qcow2_write/qemu_img.h"
#include "support/memory_device.h"

namespace instar::test {
namespace {

constexpr std::size_t kDiskBytes = 4 << 20;

struct Case {
  std::string name;
  std::string options;
  bool old_compressed = false;
  bool new_compressed = false;
  bool snapshot = false;
  bool backing = false;
  bool empty = false;  // the target holds nothing yet
  bool data_file = false;
  bool raw_data_file = false;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, const std::string& options, auto change) {
    Case c{.name = name, .options = options};
    change(c);
    cases.push_back(c);
  };
  const auto plain = [](Case&) {};
  for (const char* bits : {"1", "2", "4", "8", "16", "32", "64"}) {
    const std::string name = std::string("Refcounts") + bits;
    const std::string options = std::string("refcount_bits=") + bits + ",cluster_size=4k";
    add(name, options, plain);
    add(name + "Compressed", options, [](Case& c) { c.old_compressed = true; });
    add(name + "Compressing", options, [](Case& c) { c.new_compressed = true; });
    if (std::string(bits) != "1") {
      add(name + "Snapshot", options, [](Case& c) { c.snapshot = true; });
    }
  }
  for (const char* size : {"512", "64k", "2M"}) {
    for (const char* compat : {"v2", "v3"}) {
      const std::string name = std::string("Clusters") + size + compat;
      const std::string options = std::string("cluster_size=") + size + ",compat=" + compat;
      add(name, options, plain);
      add(name + "Compressed", options, [](Case& c) { c.old_compressed = true; });
      add(name + "CompressedSnapshot", options, [](Case& c) {
        c.old_compressed = true;
        c.new_compressed = true;
        c.snapshot = true;
      });
      add(name + "Backing", options, [](Case& c) { c.backing = true; });
      add(name + "Empty", options, [](Case& c) { c.empty = true; });
    }
  }
  add("ExtendedL2", "extended_l2=on", plain);
  add("ExtendedL2Snapshot", "extended_l2=on", [](Case& c) { c.snapshot = true; });
  add("ExtendedL2Backing", "extended_l2=on,cluster_size=16k", [](Case& c) { c.backing = true; });
  add("ExtendedL2Compressed", "extended_l2=on", [](Case& c) { c.old_compressed = true; });
  add("ExtendedL2Compressing", "extended_l2=on", [](Case& c) { c.new_compressed = true; });
  add("ExtendedL2Empty", "extended_l2=on,cluster_size=2M", [](Case& c) { c.empty = true; });
  add("ExtendedL2BackingCompressed", "extended_l2=on", [](Case& c) {
    c.backing = true;
    c.new_compressed = true;
  });
  add("LazyRefcounts", "lazy_refcounts=on", plain);
  add("DataFile", "data_file=data.raw", [](Case& c) { c.data_file = true; });
  add("DataFileEmpty", "data_file=data.raw", [](Case& c) { c.data_file = c.empty = true; });
  add("DataFileRaw", "data_file=data.raw,data_file_raw=on",
      [](Case& c) { c.data_file = c.raw_data_file = true; });
  add("DataFileExtendedL2", "data_file=data.raw,extended_l2=on",
      [](Case& c) { c.data_file = true; });
  add("Zstd", "compression_type=zstd", [](Case& c) { c.old_compressed = c.new_compressed = true; });
  add("Preallocated", "preallocation=metadata", [](Case& c) { c.empty = true; });
  add("RefcountTableGrows", "cluster_size=512,refcount_bits=64", [](Case& c) { c.empty = true; });
  add("RefcountTableGrowsFromSnapshot", "cluster_size=512,refcount_bits=64",
      [](Case& c) { c.snapshot = true; });
  return cases;
}

// The files of an image in memory.
struct Files {
  MemoryDevice image{0, DeviceId{1}};
  MemoryDevice data{0, DeviceId{2}};
  MemoryDevice backing{0, DeviceId{3}};
  bool has_data = false;
  bool has_backing = false;
};

class Content final : public DiskContent {
 public:
  explicit Content(const Files& files) : files_(files) {}
  Status Read(std::uint64_t offset, std::span<std::byte> out) override {
    return crash::ReadDisk(files_.image, files_.has_data ? &files_.data : nullptr,
                           files_.has_backing ? &files_.backing : nullptr, FormatId::kQcow2, offset,
                           out);
  }

 private:
  const Files& files_;
};

class Qcow2Overwriter : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
  }

  // The target as qemu-img makes it, with the content of `old`.
  void MakeTarget(const Case& c, const Disk& old) {
    folder_.Store("old.raw", old);
    std::string command;
    if (c.backing) {
      command = "create -f qcow2 -b old.raw -F raw -o " + c.options + " target.qcow2";
    } else if (c.empty) {
      command = "create -f qcow2 -o " + c.options + " target.qcow2 " + std::to_string(old.size());
    } else {
      command = std::string("convert -f raw -O qcow2 ") + (c.old_compressed ? "-c " : "") + "-o " +
                c.options + " old.raw target.qcow2";
    }
    const CommandResult made = folder_.QemuImg(command);
    ASSERT_EQ(made.exit_code, 0) << made.output;
    if (c.snapshot) {
      ASSERT_EQ(folder_.QemuImg("snapshot -c before target.qcow2").exit_code, 0);
    }
  }

  // Writes `disk` over the target.
  void Overwrite(const Case& c, const Disk& disk) {
    Files files;
    files.image.bytes = folder_.Load("target.qcow2");
    files.has_data = c.data_file;
    if (c.data_file) files.data.bytes = folder_.Load("data.raw");
    files.has_backing = c.backing;
    if (c.backing) files.backing.bytes = folder_.Load("old.raw");
    files.image.reads_zero = files.data.reads_zero = false;
    Content content(files);
    {
      const auto writer = OpenForWriting({.format = FormatId::kQcow2,
                                          .virtual_size_bytes = disk.size(),
                                          .target = &files.image,
                                          .data_file = c.data_file ? &files.data : nullptr,
                                          .content = &content,
                                          .compress = c.new_compressed});
      ASSERT_TRUE(writer) << writer.error().message;
      DiskWriter disk_writer(**writer, {&files.image, &files.data});
      disk_writer.compress = c.new_compressed;
      const Status written = disk_writer.Write(disk);
      ASSERT_TRUE(written) << written.error().message << " " << written.error().numbers[0];
    }
    folder_.Store("target.qcow2", files.image.bytes);
    if (c.data_file) folder_.Store("data.raw", files.data.bytes);
  }

  void ExpectCleanWith(const Disk& disk) {
    const CommandResult check = folder_.QemuImg("check -f qcow2 target.qcow2");
    EXPECT_EQ(check.exit_code, 0) << check.output;
    folder_.Store("disk.raw", disk);
    const CommandResult compare = folder_.QemuImg("compare -f raw -F qcow2 disk.raw target.qcow2");
    EXPECT_EQ(compare.exit_code, 0) << compare.output;
  }

  ScratchFolder folder_;
};

TEST_P(Qcow2Overwriter, NewContentShowsAndTheImageStaysClean) {
  const Case& c = GetParam();
  const Disk old = MixedDisk(kDiskBytes, 24 << 10);
  MakeTarget(c, old);
  if (HasFatalFailure()) return;
  Disk disk = MixedDisk(kDiskBytes, 56 << 10);
  FillNoise(std::span(disk).first(100 << 10), 99);
  Overwrite(c, disk);
  if (HasFatalFailure()) return;
  ExpectCleanWith(disk);
  if (c.raw_data_file) {
    EXPECT_TRUE(folder_.Load("data.raw") == disk);
  }
  if (!c.snapshot) return;
  const CommandResult snapshot =
      folder_.QemuImg("convert -f qcow2 -l snapshot.name=before -O raw target.qcow2 before.raw");
  ASSERT_EQ(snapshot.exit_code, 0) << snapshot.output;
  EXPECT_TRUE(folder_.Load("before.raw") == old) << "the snapshot changed";
}

TEST_P(Qcow2Overwriter, AShorterDiskLeavesTheRestAsItWas) {
  const Case& c = GetParam();
  Disk old = MixedDisk(kDiskBytes, 24 << 10);
  FillNoise(std::span(old).subspan(1 << 20, 64 << 10), 5);
  MakeTarget(c, old);
  if (HasFatalFailure()) return;
  Disk disk((1 << 20) + 2560);
  FillNoise(disk, 77);
  Overwrite(c, disk);
  if (HasFatalFailure()) return;
  Disk expected = c.empty ? Disk(kDiskBytes) : old;
  std::ranges::copy(disk, expected.begin());
  ExpectCleanWith(expected);
}

TEST_P(Qcow2Overwriter, TheSameAgainAndAgainDoesNotMakeTheFileLonger) {
  const Case& c = GetParam();
  const Disk old = MixedDisk(kDiskBytes, 24 << 10);
  MakeTarget(c, old);
  if (HasFatalFailure()) return;
  const Disk disk = MixedDisk(kDiskBytes, 56 << 10);
  std::size_t longest = 0;
  for (int i = 0; i < 8; ++i) {
    Overwrite(c, disk);
    if (HasFatalFailure()) return;
    const std::size_t length = folder_.Load("target.qcow2").size();
    if (i >= 3) {
      EXPECT_LE(length, longest) << "the time " << i;
    }
    longest = std::max(longest, length);
  }
  ExpectCleanWith(disk);
}

INSTANTIATE_TEST_SUITE_P(All, Qcow2Overwriter, testing::ValuesIn(AllCases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace instar::test
