// A crash of the image editor, at any moment and whatever of its unflushed writes the disk has
// done, leaves an image that leaks clusters at worst: no snapshot and no cluster that is not
// written loses anything.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "crash/crash_device.h"
#include "crash/crash_states.h"
#include "crash/image_facts.h"
#include "formats/create.h"
#include "formats/qcow2_write/disk_writer.h"
#include "formats/qcow2_write/qemu_img.h"

namespace instar::test {
namespace {

using crash::CrashDevice;
using crash::CrashState;
using crash::Disturbance;
using crash::ImageFacts;
using crash::ImageFiles;
using crash::Recording;
using crash::SparseFile;

// Writes `disk` over the image in `files`, data and all, as convert does.
Status Overwrite(ImageFiles& files, const Disk& disk, Recording& recording) {
  CrashDevice target(files.image, crash::kImageId, recording);
  INSTAR_ASSIGN_OR_RETURN(const auto writer, OpenForWriting({.format = FormatId::kQcow2,
                                                             .virtual_size_bytes = disk.size(),
                                                             .target = &target}));
  DiskWriter disk_writer(*writer, {&target});
  Status status = disk_writer.Write(disk);
  files.image = target.file();
  return status;
}

// Why the image that a crash has left is worse than one that leaks; empty if it is not. Of the
// first `written` bytes of the disk nothing is said: data is not waited for.
std::string Damage(const ImageFiles& files, const ImageFacts& before, std::size_t written) {
  const auto facts = crash::Observe(files);
  if (!facts) return facts.error();
  for (const std::string& finding : facts->findings) {
    if (!finding.starts_with("a leak")) return finding;
  }
  ImageFacts rest[] = {*facts, before};
  for (ImageFacts& of : rest) of.disk.Zero(0, written);
  return crash::Difference(rest[0], rest[1]);
}

// Why the image of a run that has returned is not the one that it was asked for.
std::string Fault(const ImageFiles& files, const ImageFacts& after) {
  const auto facts = crash::Observe(files);
  if (!facts) return facts.error();
  return facts->findings.empty() ? crash::Difference(*facts, after) : facts->findings.front();
}

struct Found {
  std::uint64_t states = 0;
  std::string damage;  // of the first state that has some
};

Found JudgeAll(const Recording& recording, const ImageFacts& before, const Disk& disk) {
  ImageFacts after = before;
  after.disk.Write(0, disk);
  Found found;
  ForEachCrashState(recording, {.seed = 1}, [&](const CrashState& state) {
    ++found.states;
    const ImageFiles files{.image = state.files[0]};
    std::string damage = Damage(files, before, disk.size());
    if (damage.empty() && state.at_end) damage = Fault(files, after);
    if (!damage.empty()) found.damage = damage + "\n  after " + state.describe();
    return damage.empty();
  });
  return found;
}

class Qcow2ImageEditorCrash : public testing::TestWithParam<const char*> {
 protected:
  static constexpr std::size_t kDiskBytes = 192 << 10;
  // Ends inside a cluster, and inside what an L2 table describes.
  static constexpr std::size_t kWrittenBytes = (100 << 10) + 512;

  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
    const ScratchFolder folder;
    folder.Store("old.raw", MixedDisk(kDiskBytes, 6 << 10));
    ASSERT_EQ(folder
                  .QemuImg(std::string("convert -c -f raw -O qcow2 -o ") + GetParam() +
                           " old.raw target.qcow2")
                  .exit_code,
              0);
    ASSERT_EQ(folder.QemuImg("snapshot -c before target.qcow2").exit_code, 0);
    // So some L2 tables are the active layer's own, and are changed in place.
    ASSERT_EQ(RunCommand("qemu-io -f qcow2 -c 'write -P 7 0 9k' -c 'write -P 7 70k 9k' " +
                         folder.Path("target.qcow2"))
                  .exit_code,
              0);
    files_.image = SparseFile(folder.Load("target.qcow2"));
    auto facts = crash::Observe(files_);
    ASSERT_TRUE(facts) << facts.error();
    before_ = *std::move(facts);
    ASSERT_TRUE(before_.findings.empty());
  }

  // The run, disturbed so; it succeeds.
  [[nodiscard]] Recording Run(const Disturbance& disturbance) const {
    Recording recording(disturbance);
    ImageFiles files = files_;
    EXPECT_TRUE(Overwrite(files, disk_, recording));
    return recording;
  }
  [[nodiscard]] Found JudgeRun(const Disturbance& disturbance) const {
    return JudgeAll(Run(disturbance), before_, disk_);
  }

  const Disk disk_ = MixedDisk(kWrittenBytes, 10 << 10);
  ImageFiles files_;
  ImageFacts before_;
};

TEST_P(Qcow2ImageEditorCrash, LeaksAtWorst) {
  const Found found = JudgeRun({});
  EXPECT_EQ(found.damage, "");
  EXPECT_GT(found.states, 50U);
}

TEST_P(Qcow2ImageEditorCrash, DamagesTheImageWithoutFlushes) {
  EXPECT_NE(JudgeRun({.no_flushes = true}).damage, "");
}

// Flushes behind which nothing was written are left to themselves.
TEST_P(Qcow2ImageEditorCrash, DamagesTheImageWithoutAnyOneOfItsFlushes) {
  const Recording whole = Run({});
  EXPECT_GT(whole.flushes() - whole.idle_flushes().size(), 2U);
  for (std::size_t flush = 0; flush < whole.flushes(); ++flush) {
    if (std::ranges::find(whole.idle_flushes(), flush) != whole.idle_flushes().end()) continue;
    EXPECT_NE(JudgeRun({.lost_flush = flush}).damage, "") << "without flush " << flush;
  }
}

INSTANTIATE_TEST_SUITE_P(Images, Qcow2ImageEditorCrash,
                         testing::Values("cluster_size=1k", "cluster_size=512,refcount_bits=64",
                                         "cluster_size=512"),
                         [](const auto& test) { return "Image" + std::to_string(test.index); });

}  // namespace
}  // namespace instar::test
