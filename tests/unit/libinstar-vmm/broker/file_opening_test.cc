#include "broker/file_opening.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "libinstar-vmm/broker/fake_guest.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

namespace fs = std::filesystem;

std::string SourceMessage(Broker& broker, const std::string& path) {
  const auto id = broker.OpenSource(path, {});
  return std::string(id.status().message());
}
std::string TargetMessage(Broker& broker, const std::string& path, bool keep = false) {
  const auto id = broker.OpenTarget(path, {.keep = keep});
  return std::string(id.status().message());
}

TEST(OpenSource, SaysWhatQemuImgSays) {
  const TemporaryDirectory directory;
  Broker broker({});
  EXPECT_EQ(SourceMessage(broker, "/nonexistent"),
            "Could not open '/nonexistent': Could not open '/nonexistent': No such file or "
            "directory");
  EXPECT_EQ(SourceMessage(broker, "/etc"),
            "Could not open '/etc': 'file' driver requires '/etc' to be a regular file");
  EXPECT_EQ(SourceMessage(broker, "nbd:x"), "Could not open 'nbd:x': Unknown protocol 'nbd'");
}

TEST(OpenSource, AFifoIsRefusedAndNotWaitedFor) {
  const TemporaryDirectory directory;
  ASSERT_EQ(mkfifo((directory / "fifo").c_str(), 0600), 0);
  Broker broker({});
  EXPECT_NE(SourceMessage(broker, directory / "fifo").find("regular file"), std::string::npos);
  EXPECT_NE(TargetMessage(broker, directory / "fifo").find("regular file"), std::string::npos);
}

TEST(OpenSource, ACharacterDeviceIsRefused) {
  Broker broker({});
  EXPECT_NE(SourceMessage(broker, "/dev/zero").find("character device"), std::string::npos);
  EXPECT_NE(TargetMessage(broker, "/dev/full").find("character device"), std::string::npos);
}

TEST(OpenSource, IsReadOnlyAndKnowsItsSize) {
  const TemporaryDirectory directory;
  Broker broker({});
  const DeviceId id = broker.OpenSource(directory.Write("a", "hello"), {}).value();
  FakeGuest guest(broker);
  instar_device_info info;
  ASSERT_EQ(guest.Info(id, &info).result, 0);
  EXPECT_EQ(info.size_bytes, 5u);
  EXPECT_EQ(info.flags, 0u);
  EXPECT_EQ(broker.device(id).path, directory / "a");
  EXPECT_FALSE(broker.device(id).writable);
}

TEST(OpenTarget, SaysWhatQemuImgSays) {
  const TemporaryDirectory directory;
  Broker broker({});
  EXPECT_EQ(TargetMessage(broker, "/nonexistent/x"),
            "Could not create '/nonexistent/x': No such file or directory");
  EXPECT_EQ(TargetMessage(broker, "/etc"), "Could not create '/etc': Is a directory");
  const std::string missing = directory / "missing";
  EXPECT_EQ(TargetMessage(broker, missing, /*keep=*/true), "Could not open '" + missing +
                                                               "': Could not open '" + missing +
                                                               "': No such file or directory");
  EXPECT_FALSE(fs::exists(missing));
}

TEST(OpenTarget, DoesNotEmptyAnExistingFile) {
  const TemporaryDirectory directory;
  Broker broker({});
  ASSERT_TRUE(broker.OpenTarget(directory.Write("a", "old"), {}).ok());
  EXPECT_EQ(ReadWholeFile(directory / "a"), "old");
}

TEST(OpenTarget, RefusesTheSourceUnderAnyName) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("a", "content");
  fs::create_hard_link(path, directory / "hard");
  fs::create_symlink("a", directory / "soft");
  Broker broker({});
  ASSERT_TRUE(broker.OpenSource(path, {}).ok());
  for (const char* name : {"a", "hard", "soft"}) {
    const auto target = broker.OpenTarget(directory / name, {});
    EXPECT_EQ(target.status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(ReadWholeFile(path), "content");
}

TEST(OpenTarget, TheJailKnowsADirectoryOnceHoweverManyFilesAreMadeThere) {
  const TemporaryDirectory directory;
  Broker broker({});
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_TRUE(broker.OpenTarget(directory / name, {}).ok());
  }
  EXPECT_EQ(broker.jail_needs().unlink_directories.size(), 1u);
  broker.Discard();
  for (const char* name : {"a", "b", "c"}) EXPECT_NE(access((directory / name).c_str(), F_OK), 0);
}

TEST(OpenTarget, AFreshFileReadsZerosAKeptOneDoesNot) {
  const TemporaryDirectory directory;
  Broker broker({});
  FakeGuest guest(broker);
  instar_device_info info;
  const DeviceId fresh = broker.OpenTarget(directory / "fresh", {}).value();
  ASSERT_EQ(guest.Info(fresh, &info).result, 0);
  EXPECT_NE(info.flags & INSTAR_DEVICE_FRESH_READS_ZERO, 0u);
  const DeviceId kept = broker.OpenTarget(directory.Write("kept", "x"), {.keep = true}).value();
  ASSERT_EQ(guest.Info(kept, &info).result, 0);
  EXPECT_EQ(info.flags & INSTAR_DEVICE_FRESH_READS_ZERO, 0u);
}

TEST(OpenTarget, OfTheCacheModesUnsafeAloneIsNotFlushed) {
  const TemporaryDirectory directory;
  Broker broker({});
  FakeGuest guest(broker);
  for (const CacheMode cache : {CacheMode::kUnsafe, CacheMode::kWriteback}) {
    const DeviceId target = broker.OpenTarget(directory / "target", {.cache = cache}).value();
    instar_device_info info;
    ASSERT_EQ(guest.Info(target, &info).result, 0);
    const bool unflushed = (info.flags & INSTAR_DEVICE_UNFLUSHED) != 0;
    EXPECT_EQ(unflushed, cache == CacheMode::kUnsafe);
    std::filesystem::remove(directory / "target");
  }
}

TEST(Broker, SaysOfItsDevicesBeforeTheGuestAsksWhatItSaysThen) {
  const TemporaryDirectory directory;
  Broker broker({});
  FakeGuest guest(broker);
  const DeviceId source = broker.OpenSource(directory.Write("source", "12345"), {}).value();
  const DeviceId target = broker.OpenTarget(directory / "target", {}).value();
  const std::vector<instar_device_info> infos = broker.device_infos();
  ASSERT_EQ(infos.size(), 2u);
  for (const DeviceId id : {source, target}) {
    instar_device_info asked;
    ASSERT_EQ(guest.Info(id, &asked).result, 0);
    EXPECT_EQ(std::memcmp(&asked, &infos[static_cast<std::size_t>(id)], sizeof asked), 0);
  }
  EXPECT_EQ(infos[0].size_bytes, 5u);
}

TEST(OpenSource, AFileReadPastThePageCacheIsToldApart) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("source", std::string(4096, 'x'));
  const int direct = open(path.c_str(), O_RDONLY | O_DIRECT);
  if (direct < 0) GTEST_SKIP() << "this file system has no O_DIRECT";
  close(direct);
  Broker broker({});
  FakeGuest guest(broker);
  instar_device_info info;
  ASSERT_EQ(guest.Info(broker.OpenSource(path, {}).value(), &info).result, 0);
  EXPECT_EQ(info.flags & INSTAR_DEVICE_DIRECT, 0u);
  const DeviceId past = broker.OpenSource(path, {.cache = CacheMode::kNone}).value();
  ASSERT_EQ(guest.Info(past, &info).result, 0);
  EXPECT_NE(info.flags & INSTAR_DEVICE_DIRECT, 0u);
}

TEST(Discard, RemovesWhatThisBrokerCreatedAndNothingElse) {
  const TemporaryDirectory directory;
  Broker broker({});
  ASSERT_TRUE(broker.OpenTarget(directory / "created", {}).ok());
  ASSERT_TRUE(broker.OpenTarget(directory.Write("existing", "x"), {}).ok());
  broker.Discard();
  EXPECT_FALSE(fs::exists(directory / "created"));
  EXPECT_TRUE(fs::exists(directory / "existing"));
}

TEST(Discard, RemovesAFileCreatedThroughADanglingLink) {
  const TemporaryDirectory directory;
  fs::create_symlink("real", directory / "link");
  Broker broker({});
  ASSERT_TRUE(broker.OpenTarget(directory / "link", {}).ok());
  EXPECT_TRUE(fs::exists(directory / "real"));
  broker.Discard();
  EXPECT_FALSE(fs::exists(directory / "real"));
  EXPECT_TRUE(fs::is_symlink(directory / "link"));
}

TEST(Discard, TheSignalHandlersTwinRemovesTheFilesOfAllBrokers) {
  const TemporaryDirectory directory;
  Broker first({});
  Broker second({});
  ASSERT_TRUE(first.OpenTarget(directory / "first", {}).ok());
  ASSERT_TRUE(second.OpenTarget(directory / "second", {}).ok());
  Broker::DiscardFromSignalHandler();
  EXPECT_FALSE(fs::exists(directory / "first"));
  EXPECT_FALSE(fs::exists(directory / "second"));
}

TEST(Commit, KeepsTheTarget) {
  const TemporaryDirectory directory;
  Broker broker({});
  ASSERT_TRUE(broker.OpenTarget(directory / "a", {.cache = CacheMode::kWriteback}).ok());
  ASSERT_TRUE(broker.Commit().ok());
  broker.Discard();
  Broker::DiscardFromSignalHandler();
  EXPECT_TRUE(fs::exists(directory / "a"));
}

TEST(Commit, ABrokerThatEndsWithoutVerdictRemovesNothing) {
  const TemporaryDirectory directory;
  {
    ASSERT_TRUE(Broker({}).OpenTarget(directory / "a", {}).ok());
  }
  Broker::DiscardFromSignalHandler();
  EXPECT_TRUE(fs::exists(directory / "a"));
}

TEST(JailNeeds, NameEveryDescriptorAndDirectory) {
  const TemporaryDirectory directory;
  Broker broker({});
  ASSERT_TRUE(broker.OpenSource(directory.Write("a", "x"), {}).ok());
  ASSERT_TRUE(broker.OpenTarget(directory / "b", {}).ok());
  ASSERT_TRUE(broker.AllowReferences({}).ok());
  const JailNeeds needs = broker.jail_needs();
  EXPECT_EQ(needs.keep_fds.size(), 2u);
  EXPECT_EQ(needs.read_directories.size(), 1u);
  EXPECT_EQ(needs.unlink_directories.size(), 1u);
  broker.Discard();
}

class EveryCacheMode : public testing::TestWithParam<CacheMode> {};

TEST_P(EveryCacheMode, WritesAndReadsUnalignedData) {
  const TemporaryDirectory directory;
  Broker broker({});
  FakeGuest guest(broker);
  const DeviceId source =
      broker.OpenSource(directory.Write("a", std::string(10'001, 'a')), {.cache = GetParam()})
          .value();
  const DeviceId target = broker.OpenTarget(directory / "b", {.cache = GetParam()}).value();
  ASSERT_EQ(guest
                .Transfer({{.kind = INSTAR_TRANSFER_COPY,
                            .source = static_cast<std::uint32_t>(source),
                            .target = static_cast<std::uint32_t>(target),
                            .zero_run_bytes = 0,
                            .source_offset = 0,
                            .target_offset = 0,
                            .length = 10'001}})
                .result,
            0);
  ASSERT_EQ(guest.Write(target, 5'000, "middle").result, 0);
  ASSERT_EQ(guest.Flush(target).result, 0);
  std::string text;
  ASSERT_EQ(guest.Read(target, 4'999, 8, &text).result, 0);
  EXPECT_EQ(text, "amiddlea");
  ASSERT_TRUE(broker.Commit().ok());
  EXPECT_EQ(ReadWholeFile(directory / "b"),
            std::string(5'000, 'a') + "middle" + std::string(4'995, 'a'));
}

INSTANTIATE_TEST_SUITE_P(CacheModes, EveryCacheMode,
                         testing::Values(CacheMode::kWriteback, CacheMode::kWritethrough,
                                         CacheMode::kNone, CacheMode::kDirectsync,
                                         CacheMode::kUnsafe));

}  // namespace
}  // namespace instar::vmm
