// A run of the image editor that dies at any write leaves an image that leaks clusters at worst.
#include <gtest/gtest.h>

#include <string>

#include "formats/create.h"
#include "formats/qcow2_write/disk_writer.h"
#include "formats/qcow2_write/qemu_img.h"
#include "support/memory_device.h"

namespace instar::test {
namespace {

// Takes `writes_left` writes and fails from then on.
class DyingDevice final : public TargetDevice {
 public:
  explicit DyingDevice(MemoryDevice& file) : file_(file) {}

  [[nodiscard]] DeviceId id() const override { return file_.id(); }
  [[nodiscard]] std::uint64_t size_bytes() const override { return file_.size_bytes(); }
  Status Read(std::uint64_t offset, std::span<std::byte> out) const override {
    return file_.Read(offset, out);
  }
  Status Write(std::uint64_t offset, std::span<const std::byte> data) override {
    INSTAR_TRY(Live());
    return file_.Write(offset, data);
  }
  Status Resize(std::uint64_t size, Preallocation mode) override {
    INSTAR_TRY(Live());
    return file_.Resize(size, mode);
  }
  Status Flush() override { return {}; }
  Status Zero(std::uint64_t offset, std::uint64_t length) override {
    INSTAR_TRY(Live());
    return file_.Zero(offset, length);
  }
  [[nodiscard]] bool fresh_reads_zero() const override { return false; }

  std::uint64_t writes_left = ~std::uint64_t{0};
  std::uint64_t writes = 0;

 private:
  Status Live() {
    if (writes_left == 0) return MakeError(ErrorCode::kIo, "dead");
    --writes_left;
    ++writes;
    return {};
  }
  MemoryDevice& file_;
};

// Writes `disk` over the image in `file`, with data going straight to the file; the number of
// metadata writes that were made.
std::uint64_t Overwrite(MemoryDevice& file, const Disk& disk, std::uint64_t writes_left) {
  DyingDevice target(file);
  target.writes_left = writes_left;
  auto writer = OpenForWriting(
      {.format = FormatId::kQcow2, .virtual_size_bytes = disk.size(), .target = &target});
  if (!writer) return 0;
  DiskWriter disk_writer(**writer, {&file});
  const Status written = disk_writer.Write(disk);
  EXPECT_TRUE(written || written.error().code == ErrorCode::kIo);
  return target.writes;
}

TEST(Qcow2ImageEditorCrash, EveryPrefixOfTheWritesLeaksAtWorst) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
  ScratchFolder folder;
  const Disk old = MixedDisk(2 << 20, 24 << 10);
  const Disk disk = MixedDisk(2 << 20, 56 << 10);
  folder.Store("old.raw", old);
  for (const char* options : {"cluster_size=4k", "cluster_size=512,refcount_bits=64"}) {
    ASSERT_EQ(folder
                  .QemuImg(std::string("convert -c -f raw -O qcow2 -o ") + options +
                           " old.raw target.qcow2")
                  .exit_code,
              0);
    ASSERT_EQ(folder.QemuImg("snapshot -c before target.qcow2").exit_code, 0);
    MemoryDevice whole(0, DeviceId{1});
    whole.bytes = folder.Load("target.qcow2");
    const std::vector<std::byte> start = whole.bytes;
    const std::uint64_t writes = Overwrite(whole, disk, ~std::uint64_t{0});
    ASSERT_GE(writes, 4U);
    // At most 24 of the prefixes: qemu-img has to look at each.
    for (std::uint64_t dies = 0; dies < writes; dies += writes / 24 + 1) {
      SCOPED_TRACE(std::string(options) + " dies at write " + std::to_string(dies));
      MemoryDevice image(0, DeviceId{1});
      image.bytes = start;
      Overwrite(image, disk, dies);
      folder.Store("crashed.qcow2", image.bytes);
      const CommandResult check = folder.QemuImg("check -f qcow2 crashed.qcow2");
      EXPECT_TRUE(check.exit_code == 0 || check.exit_code == 3) << check.output;
    }
  }
}

}  // namespace
}  // namespace instar::test
