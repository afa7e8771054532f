#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <thread>

#include "io/bulk_worker.h"
#include "io/input_stream.h"
#include "io/output_stream.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

// A pipe whose other end is read to its end by a thread.
class DrainedPipe {
 public:
  DrainedPipe() {
    std::signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(pipe(ends_.data()), 0);
    reader_ = std::thread([this] {
      std::array<char, 4096> piece{};
      ssize_t n = 0;
      while ((n = read(ends_[0], piece.data(), piece.size())) > 0) {
        content_.append(piece.data(), static_cast<std::size_t>(n));
      }
    });
  }
  ~DrainedPipe() {
    if (reader_.joinable()) (void)Content();
  }
  [[nodiscard]] int fd() const { return ends_[1]; }
  std::string Content() {
    close(ends_[1]);
    reader_.join();
    close(ends_[0]);
    return content_;
  }

 private:
  std::array<int, 2> ends_{};
  std::thread reader_;
  std::string content_;
};

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(OutputStream, WhatIsLeftOutComesOutAsZeros) {
  DrainedPipe pipe;
  OutputStream stream(pipe.fd());
  ASSERT_TRUE(stream.Write(0, Bytes("ab")).ok());
  ASSERT_TRUE(stream.Write(4, Bytes("c")).ok());
  ASSERT_TRUE(stream.Fill(7).ok());
  EXPECT_EQ(stream.position(), 7u);
  EXPECT_EQ(pipe.Content(), std::string("ab\0\0c\0\0", 7));
}

TEST(OutputStream, NothingIsWrittenTwice) {
  DrainedPipe pipe;
  OutputStream stream(pipe.fd());
  ASSERT_TRUE(stream.Write(0, Bytes("abc")).ok());
  const IoResult again = stream.Write(2, Bytes("d"));
  EXPECT_EQ(again.os_errno, ESPIPE);
  EXPECT_TRUE(again.on_target);
  EXPECT_EQ(stream.Fill(1).os_errno, ESPIPE);
  EXPECT_EQ(pipe.Content(), "abc");
}

TEST(OutputStream, ADescriptorThatDoesNotBlockIsWaitedFor) {
  DrainedPipe pipe;
  fcntl(pipe.fd(), F_SETFL, O_NONBLOCK);
  OutputStream stream(pipe.fd());
  const std::string text(std::size_t{8} << 20, 'x');
  ASSERT_TRUE(stream.Write(0, Bytes(text)).ok());
  EXPECT_TRUE(pipe.Content() == text);
}

TEST(OutputStream, AReaderWhoIsGoneIsAnError) {
  std::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  close(ends[0]);
  OutputStream stream(ends[1]);
  EXPECT_EQ(stream.Write(0, Bytes("x")).os_errno, EPIPE);
  close(ends[1]);
}

TEST(OutputStream, AFileIsCopiedIntoAPipeWithItsHoles) {
  const TemporaryDirectory directory;
  std::string content(std::size_t{6} << 20, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (i < 1 << 20 || i >= 4 << 20) content[i] = static_cast<char>(i * 7 + i / 4096);
  }
  const std::string path = directory.Write("source", content);
  const int source = open(path.c_str(), O_RDWR);
  ASSERT_EQ(fallocate(source, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 3 << 20), 0);
  DrainedPipe pipe;
  OutputStream stream(pipe.fd());
  WorkLedger ledger(0);
  BulkWorker worker{WorkMeter(ledger)};
  TargetWork work;
  // From the middle of a page, and more than the file has.
  const IoResult result =
      worker.Copy({.source = {.io = {.fd = source}, .key = 0, .stable = true},
                   .target = {.io = {.output = &stream}, .key = 1, .work = &work},
                   .source_offset = 100,
                   .target_offset = 3,
                   .length = content.size() + 412});
  EXPECT_TRUE(result.ok()) << result.os_errno;
  ASSERT_TRUE(stream.Fill(3 + content.size() + 412).ok());
  const std::string want = std::string(3, '\0') + content.substr(100) + std::string(512, '\0');
  EXPECT_TRUE(pipe.Content() == want);
  close(source);
}

TEST(OutputStream, AWaitForTheReaderEndsWithTheRun) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_NONBLOCK), 0);
  OutputStream stream(ends[1]);
  RunStop stop;
  stream.set_stop(&stop);
  stop.Stop();
  EXPECT_EQ(stream.Write(0, Bytes("x")).os_errno, ECANCELED);
  close(ends[0]);
  close(ends[1]);
}

TEST(InputStream, AWaitForTheWriterEndsWithTheRun) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  InputStream stream(ends[0]);
  RunStop stop;
  stream.set_stop(&stop);
  stop.Stop();
  std::uint64_t length = 0;
  EXPECT_EQ(stream.Fetch(0, 1, length).os_errno, ECANCELED);
  close(ends[0]);
  close(ends[1]);
}

TEST(InputStream, IsReadPieceByPiece) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const std::string content(InputStream::kPieceBytes + 1000, 'y');
  std::thread writer([&] {
    for (std::size_t done = 0; done < content.size();) {
      const ssize_t n = write(ends[1], content.data() + done, content.size() - done);
      ASSERT_GT(n, 0);
      done += static_cast<std::size_t>(n);
    }
    close(ends[1]);
  });
  InputStream stream(ends[0]);
  std::uint64_t length = 0;
  ASSERT_TRUE(stream.Fetch(0, 1 << 30, length).ok());
  EXPECT_EQ(length, InputStream::kPieceBytes);
  EXPECT_EQ(stream.Hold(10, 20).bytes.size(), 20u);
  EXPECT_TRUE(stream.Hold(length, 1).bytes.empty());
  ASSERT_TRUE(stream.Fetch(length, 1 << 30, length).ok());
  EXPECT_EQ(length, 1000u);
  EXPECT_TRUE(stream.Hold(10, 20).bytes.empty()) << "the first piece is gone";
  EXPECT_EQ(stream.Fetch(5, 1, length).os_errno, ESPIPE);
  ASSERT_TRUE(stream.Fetch(content.size(), 1, length).ok());
  EXPECT_EQ(length, 0u) << "the end";
  writer.join();
  close(ends[0]);
}

}  // namespace
}  // namespace instar::vmm
