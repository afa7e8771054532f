// Conversions into targets that exist (-n, block devices).
#include <gtest/gtest.h>

#include "libinstar/conversion.h"

namespace instar::test {
namespace {

TEST(Convert, AnExistingRawTargetIsOverwrittenWithZerosToo) {
  FakeHost host;
  const Bytes disk = MakeMixedQcow2(host, kSource);
  FakeHost::Device& target = host.Add(kTarget);
  target.writable = true;
  target.file.Write(0, Noise(1, 10 * kMiB));
  ConvertRequest request = To(FormatId::kRaw);
  request.keep_target = true;
  request.workers = 3;
  ExpectConverts(host, request);
  Bytes expected = Noise(1, 10 * kMiB);
  std::ranges::copy(disk, expected.begin());
  EXPECT_EQ(FileOf(host, kTarget), expected);
}

TEST(Convert, ALargeHoleInAnExistingTargetIsZeroedInOneStep) {
  FakeHost host;
  constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
  MakeRaw(host, kSource, 8 * kTiB, {{kTiB, Pattern(1, 4096)}});
  FakeHost::Device& target = host.Add(kTarget);
  target.writable = true;
  target.file.Write(4096, Noise(1, 4096));
  target.file.Write(7 * kTiB, Noise(1, 4096));
  target.file.Resize(8 * kTiB);
  ConvertRequest request = To(FormatId::kRaw);
  request.keep_target = true;
  ExpectConverts(host, request);
  EXPECT_EQ(target.file.allocated_bytes(), 4096u);
  EXPECT_LT(host.calls(FakeHost::Call::kTransfer), 6u);
}

TEST(Convert, AnExistingTargetSaidToBeZeroGetsDataOnly) {
  FakeHost host;
  MakeRaw(host, kSource, 4 * kMiB, {{kMiB, Pattern(1, 4096)}});
  FakeHost::Device& target = host.Add(kTarget);
  target.writable = true;
  target.file.Resize(4 * kMiB);
  ConvertRequest request = To(FormatId::kRaw);
  request.keep_target = true;
  request.target_is_zero = true;
  ExpectConverts(host, request);
  EXPECT_EQ(target.file.allocated_bytes(), 4096u);
  EXPECT_LE(host.calls(FakeHost::Call::kTransfer), 2u);
}

TEST(Convert, AnExistingTargetThatIsTooSmallIsLeftAlone) {
  FakeHost host;
  MakeRaw(host, kSource, 4 * kMiB, {{0, Pattern(1, 4096)}});
  FakeHost::Device& target = host.Add(kTarget);
  target.writable = true;
  target.file.Resize(2 * kMiB);
  ConvertRequest request = To(FormatId::kRaw);
  request.keep_target = true;
  EXPECT_EQ(ErrorOf(host, request).device, kTarget);
  EXPECT_FALSE(target.touched);
}

TEST(Convert, AnExistingQcow2TargetShowsTheSourceAndKeepsWhatLiesBeyondIt) {
  FakeHost host;
  const Bytes disk = MakeMixedQcow2(host, kSource);
  ImageBuilder target(host, kTarget, 12 * kMiB, "cluster_size=4k");
  Bytes expected = target.Data(0, Noise(1, 12 * kMiB)).Finish();
  std::ranges::copy(disk, expected.begin());
  host.At(kTarget).writable = true;
  ConvertRequest request = To(FormatId::kQcow2);
  request.keep_target = true;
  request.workers = 3;
  ExpectConverts(host, request);
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), expected);
}

TEST(Convert, ABlockDeviceThatIsNotZeroGetsItsZerosWritten) {
  FakeHost host;
  const Bytes disk = MakeMixedQcow2(host, kSource);
  FakeHost::Device& target = host.Add(kTarget);
  target.writable = true;
  target.block_device = true;
  target.file.Write(0, Noise(1, 10 * kMiB));
  ExpectConverts(host, To(FormatId::kRaw));
  EXPECT_EQ(target.file.size, 10 * kMiB);
  Bytes shown = FileOf(host, kTarget);
  shown.resize(disk.size());
  EXPECT_EQ(shown, disk);
}

}  // namespace
}  // namespace instar::test
