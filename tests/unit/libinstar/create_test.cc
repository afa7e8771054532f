#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "instar/verbs.h"
#include "support/disk_image.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr DeviceId kBase{3};
constexpr DeviceId kTarget{9};
constexpr DeviceId kDataFile{10};
constexpr std::uint64_t kMiB = 1 << 20;

TEST(Create, AnImageOfEachFormatReadsAsZeros) {
  for (const FormatId format : {FormatId::kRaw, FormatId::kQcow2, FormatId::kVpc}) {
    FakeHost host;
    host.AddTarget(kTarget);
    const Status status =
        RunCreate(host, {.target = kTarget, .format = format, .size_bytes = 2 * kMiB});
    ASSERT_TRUE(status.has_value()) << NameOf(format) << ": " << status.error().message;
    const Bytes disk = ReadDisk(host, kTarget, format);
    EXPECT_GE(disk.size(), 2 * kMiB);
    EXPECT_EQ(disk, Bytes(disk.size()));
    EXPECT_EQ(ReportText(host), "{virtual-size: 2097152}");
  }
}

TEST(Create, AnOverlayIsAsLargeAsItsBackingFileAndShowsIt) {
  FakeHost host;
  MakeRaw(host, kBase, kMiB + 512, {{0, Pattern(1, kMiB + 512)}});
  host.AddReference("base", kBase);
  host.AddTarget(kTarget);
  const Status status = RunCreate(host, {.target = kTarget,
                                         .format = FormatId::kQcow2,
                                         .size_of_backing = true,
                                         .backing_name = "base",
                                         .backing_format = "raw",
                                         .backing = kBase});
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_EQ(ReportText(host), "{virtual-size: 1049088}");
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kQcow2), Pattern(1, kMiB + 512));
}

TEST(Create, WhatTheBackingFileNamesIsNotOpened) {
  FakeHost host;
  ImageBuilder(host, kBase, kMiB, "", "/etc/passwd", "raw").Finish();
  host.AddTarget(kTarget);
  const Status status = RunCreate(host, {.target = kTarget,
                                         .format = FormatId::kQcow2,
                                         .size_of_backing = true,
                                         .backing_name = "base",
                                         .backing_format = "qcow2",
                                         .backing = kBase});
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_THAT(host.opened(), IsEmpty());
}

TEST(Create, TheTargetIsNotTouchedWhereTheBackingFileIsNoImage) {
  FakeHost host;
  MakeRaw(host, kBase, kMiB, {});
  host.AddTarget(kTarget);
  const Status status = RunCreate(host, {.target = kTarget,
                                         .format = FormatId::kQcow2,
                                         .size_of_backing = true,
                                         .backing_name = "base",
                                         .backing_format = "qcow2",
                                         .backing = kBase});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().device, kBase);
  EXPECT_FALSE(host.At(kTarget).touched);
}

TEST(Create, AVmdkChildNotesTheContentIdOfItsParent) {
  FakeHost host;
  host.AddTarget(kBase);
  ASSERT_TRUE(RunCreate(host, {.target = kBase, .format = FormatId::kVmdk, .size_bytes = kMiB})
                  .has_value());
  host.At(kBase).writable = false;
  host.AddTarget(kTarget);
  const Status status = RunCreate(host, {.target = kTarget,
                                         .format = FormatId::kVmdk,
                                         .size_of_backing = true,
                                         .backing_name = "base",
                                         .backing_format = "vmdk",
                                         .backing = kBase});
  ASSERT_TRUE(status.has_value()) << status.error().message;
  host.AddReference("base", kBase);
  EXPECT_EQ(ReadDisk(host, kTarget, FormatId::kVmdk), Bytes(kMiB)) << "the parent is refused";
}

TEST(Create, TheTargetIsNotTouchedWhereOptionsDoNotAgree) {
  FakeHost host;
  host.AddTarget(kTarget);
  for (const char* options : {"cluster_size=3", "compat=v2,refcount_bits=8", "encryption=on"}) {
    const Status status = RunCreate(host, {.target = kTarget,
                                           .format = FormatId::kQcow2,
                                           .options = test::Settings(FormatId::kQcow2, options),
                                           .size_bytes = kMiB});
    ASSERT_FALSE(status.has_value()) << options;
    EXPECT_EQ(status.error().device, kTarget);
    EXPECT_FALSE(host.At(kTarget).touched);
  }
}

TEST(Create, ADataFileIsAsLongAsTheDisk) {
  FakeHost host;
  host.AddTarget(kTarget);
  host.AddTarget(kDataFile);
  const Status status =
      RunCreate(host, {.target = kTarget,
                       .format = FormatId::kQcow2,
                       .options = test::Settings(FormatId::kQcow2, "data_file=data"),
                       .size_bytes = kMiB,
                       .data_file = kDataFile});
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_EQ(host.At(kDataFile).file.size, kMiB);
}

TEST(Create, EveryFailureOfTheHostIsTold) {
  for (const auto call : {FakeHost::Call::kInfo, FakeHost::Call::kResize, FakeHost::Call::kWrite,
                          FakeHost::Call::kFlush, FakeHost::Call::kEmit}) {
    FakeHost host;
    host.AddTarget(kTarget);
    host.Fail(call, 1, {.code = ErrorCode::kNoSpace, .message = "injected"});
    const Status status =
        RunCreate(host, {.target = kTarget, .format = FormatId::kQcow2, .size_bytes = kMiB});
    ASSERT_FALSE(status.has_value()) << static_cast<int>(call);
    EXPECT_THAT(status.error().message, HasSubstr("injected"));
  }
}

Bytes Created(const CreateRequest& request) {
  FakeHost host;
  host.AddTarget(kTarget);
  CreateRequest made = request;
  made.target = kTarget;
  EXPECT_TRUE(RunCreate(host, made).has_value());
  Bytes bytes(host.At(kTarget).file.size);
  host.At(kTarget).file.Read(0, bytes);
  return bytes;
}

TEST(Create, WithoutASeedIdentitiesFollowFromNameSizeAndOptions) {
  const CreateRequest request{
      .format = FormatId::kVpc, .size_bytes = 2 * kMiB, .target_name = "disk.vhd"};
  const auto id = [](const Bytes& file) { return Bytes(file.end() - 444, file.end() - 428); };
  const Bytes image = Created(request);
  EXPECT_EQ(Created(request), image);
  CreateRequest other = request;
  other.target_name = "other.vhd";
  EXPECT_NE(id(Created(other)), id(image));
  other = request;
  other.size_bytes += 512;
  EXPECT_NE(id(Created(other)), id(image));
  other = request;
  other.options = test::Settings(other.format, "force_size=on");
  EXPECT_NE(id(Created(other)), id(image));
}

TEST(Create, ASeedDecidesTheIdentityAlone) {
  CreateRequest request{.format = FormatId::kVpc,
                        .size_bytes = 2 * kMiB,
                        .target_name = "disk.vhd",
                        .identity_seed = "0123456789abcdef"};
  const auto id = [](const Bytes& file) { return Bytes(file.end() - 444, file.end() - 428); };
  const Bytes image = Created(request);
  request.target_name = "other.vhd";
  EXPECT_EQ(id(Created(request)), id(image));
  request.identity_seed = "0123456789abcdeF";
  EXPECT_NE(id(Created(request)), id(image));
}

}  // namespace
}  // namespace instar::test
