// Pipes as devices, for honest guests and others.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>

#include "broker/stream_opening.h"
#include "libinstar-vmm/broker/fake_guest.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

class BrokerStreams : public testing::Test {
 protected:
  BrokerStreams() {
    EXPECT_EQ(pipe(out_.data()), 0);
    EXPECT_EQ(pipe(in_.data()), 0);
  }
  ~BrokerStreams() override {
    for (const int fd : {out_[0], out_[1], in_[0], in_[1]}) close(fd);
  }
  static std::string Name(int fd) { return "/dev/fd/" + std::to_string(fd); }
  DeviceId Output() { return broker_.OpenOutputStream(Name(out_[1])).value(); }
  // A pipe that holds `content` and ends.
  DeviceId Input(std::string_view content) {
    EXPECT_EQ(write(in_[1], content.data(), content.size()), static_cast<ssize_t>(content.size()));
    close(in_[1]);
    in_[1] = -1;
    return broker_.OpenInputStream(Name(in_[0])).value();
  }
  std::string WhatCameOut() {
    std::array<char, 4096> text{};
    const ssize_t n = read(out_[0], text.data(), text.size());
    return {text.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
  }
  static instar_transfer Copy(DeviceId source, DeviceId target, std::uint64_t from,
                              std::uint64_t length) {
    return {.kind = INSTAR_TRANSFER_COPY,
            .source = static_cast<std::uint32_t>(source),
            .target = static_cast<std::uint32_t>(target),
            .zero_run_bytes = 0,
            .source_offset = from,
            .target_offset = from,
            .length = length};
  }

  TemporaryDirectory directory_;
  std::array<int, 2> out_{};
  std::array<int, 2> in_{};
  Broker broker_{{}};
  FakeGuest guest_{broker_};
};

TEST_F(BrokerStreams, WritesComeOutInOrderAndWhatIsLeftOutAsZeros) {
  const DeviceId target = Output();
  instar_device_info info{};
  ASSERT_EQ(guest_.Info(target, &info).result, 0);
  EXPECT_NE(info.flags & INSTAR_DEVICE_SEQUENTIAL, 0u);
  EXPECT_EQ(info.size_bytes, 0u);
  EXPECT_EQ(guest_.Write(target, 0, "ab").result, 0);
  EXPECT_EQ(guest_.Write(target, 3, "c").result, 0);
  EXPECT_EQ(guest_.Resize(target, 6).result, 0);
  EXPECT_EQ(guest_.Flush(target).result, 0);
  ASSERT_EQ(guest_.Info(target, &info).result, 0);
  EXPECT_EQ(info.size_bytes, 6u);
  EXPECT_EQ(WhatCameOut(), std::string("ab\0c\0\0", 6));
}

TEST_F(BrokerStreams, WhatWentOutIsNeitherWrittenAgainNorRead) {
  const DeviceId target = Output();
  ASSERT_EQ(guest_.Write(target, 0, "abc").result, 0);
  EXPECT_EQ(guest_.Write(target, 2, "x").result, ErrorResult(ErrorCode::kIo, ESPIPE));
  EXPECT_EQ(guest_.Resize(target, 1).result, ErrorResult(ErrorCode::kIo, ESPIPE));
  EXPECT_LT(guest_.Transfer({Copy(target, target, 1, 1)}).result, 0);
  std::string text;
  EXPECT_LT(guest_.Read(target, 0, 1, &text).result, 0);
  std::vector<std::uint64_t> bitmap(1);
  const instar_range range{.device = static_cast<std::uint32_t>(target), .offset = 0, .length = 1};
  EXPECT_LT(guest_.ScanZero({range}, 512, &bitmap).result, 0);
  EXPECT_EQ(WhatCameOut(), "abc");
}

TEST_F(BrokerStreams, WhatComesInIsCopiedRunByRun) {
  const DeviceId source = Input("hello");
  const DeviceId target = Output();
  instar_run run{};
  ASSERT_EQ(guest_.NextRuns(source, 0, 1 << 20, {&run, 1}).result, 1);
  EXPECT_EQ(run.length, 5u);
  EXPECT_EQ(guest_.Transfer({Copy(source, target, 0, 5)}).result, 0);
  EXPECT_EQ(guest_.NextRuns(source, 5, 1 << 20, {&run, 1}).result, 0) << "the end";
  EXPECT_EQ(WhatCameOut(), "hello");
}

TEST_F(BrokerStreams, NothingButTheRunAtHandCanBeCopied) {
  const DeviceId source = Input("hello");
  const DeviceId target = Output();
  EXPECT_LT(guest_.Transfer({Copy(source, target, 0, 5)}).result, 0) << "not read yet";
  instar_run run{};
  EXPECT_LT(guest_.NextRuns(source, 3, 1, {&run, 1}).result, 0);
  ASSERT_EQ(guest_.NextRuns(source, 0, 1 << 20, {&run, 1}).result, 1);
  EXPECT_LT(guest_.Transfer({Copy(source, target, 0, 6)}).result, 0);
  EXPECT_LT(guest_.Transfer({Copy(source, target, ~std::uint64_t{0} - 8, 4)}).result, 0);
  std::string text;
  EXPECT_LT(guest_.Read(source, 0, 1, &text).result, 0);
  EXPECT_LT(guest_.Write(source, 0, "x").result, 0);
  EXPECT_LT(guest_.Resize(source, 9).result, 0);
}

TEST_F(BrokerStreams, AnInputThatIsKeptIsAFile) {
  const DeviceId source = Input("hello");
  ASSERT_TRUE(broker_.Spool(source, directory_ / "target", 100).ok());
  instar_device_info info{};
  ASSERT_EQ(guest_.Info(source, &info).result, 0);
  EXPECT_EQ(info.flags & INSTAR_DEVICE_SEQUENTIAL, 0u);
  EXPECT_EQ(info.size_bytes, 5u);
  std::string text;
  ASSERT_EQ(guest_.Read(source, 1, 3, &text).result, 0);
  EXPECT_EQ(text, "ell");
}

TEST_F(BrokerStreams, AnInputBeyondTheLimitIsNotKept) {
  const DeviceId source = Input("hello");
  EXPECT_EQ(broker_.Spool(source, directory_ / "target", 4).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(StreamNames, DescriptorsThatAreNoFilesAndFifosAreStreams) {
  const TemporaryDirectory directory;
  const std::string file = directory.Write("file", "x");
  const std::string fifo = directory / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_TRUE(IsInputStream("-"));
  EXPECT_TRUE(IsOutputStream("-"));
  EXPECT_TRUE(IsInputStream(fifo));
  EXPECT_TRUE(IsOutputStream(fifo));
  EXPECT_FALSE(IsInputStream(file));
  EXPECT_FALSE(IsOutputStream(directory / "missing"));
  EXPECT_FALSE(IsOutputStream("/dev/null")) << "a device that no descriptor is";
  EXPECT_FALSE(IsInputStream("./-"));
  EXPECT_FALSE(IsInputStream("nbd://host"));
}

TEST(StreamNames, StandardOutputHasFourNames) {
  for (const char* name : {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}) {
    EXPECT_TRUE(IsStandardOutputName(name)) << name;
  }
  for (const char* name : {"./-", "/dev/stdin", "/dev/fd/2", "/dev/fd/x", "file"}) {
    EXPECT_FALSE(IsStandardOutputName(name)) << name;
  }
}

}  // namespace
}  // namespace instar::vmm
