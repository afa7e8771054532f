#include "io/file_zeroing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "io/file_runs.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

class FileZeroing : public testing::Test {
 protected:
  FileZeroing()
      : file_{.fd = open(directory_.Write("f", std::string(100'000, 'x')).c_str(), O_RDWR)} {}
  ~FileZeroing() override { close(file_.fd); }
  std::string Content() { return ReadWholeFile(directory_ / "f"); }
  std::uint64_t Storage() {
    struct stat status{};
    fstat(file_.fd, &status);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  // Makes the file one of `data_bytes` of data, and a hole up to `size_bytes`.
  void FillUpTo(std::size_t data_bytes, std::size_t size_bytes) {
    const std::string data(data_bytes, 'x');
    ASSERT_EQ(pwrite(file_.fd, data.data(), data.size(), 0), static_cast<ssize_t>(data.size()));
    ASSERT_EQ(ftruncate(file_.fd, static_cast<off_t>(size_bytes)), 0);
  }

  TemporaryDirectory directory_;
  IoFile file_;
};

TEST_F(FileZeroing, InTheMiddleChangesNothingElse) {
  ASSERT_TRUE(ZeroRange(file_, 5'000, 50'001).ok());
  EXPECT_EQ(Content(),
            std::string(5'000, 'x') + std::string(50'001, '\0') + std::string(44'999, 'x'));
  EXPECT_LT(Storage(), 70'000u);
}

TEST_F(FileZeroing, AcrossTheEndExtendsTheFile) {
  ASSERT_TRUE(ZeroRange(file_, 99'000, 10'000).ok());
  EXPECT_EQ(Content(), std::string(99'000, 'x') + std::string(10'000, '\0'));
}

TEST_F(FileZeroing, FarBeyondTheEndTakesNoStorageToSpeakOf) {
  ASSERT_TRUE(ZeroRange(file_, 1 << 20, std::uint64_t{1} << 40).ok());
  struct stat status{};
  fstat(file_.fd, &status);
  EXPECT_EQ(status.st_size, (off_t{1} << 20) + (off_t{1} << 40));
  EXPECT_LT(Storage(), 200'000u);
}

TEST_F(FileZeroing, WritingZerosTakesStorage) {
  ASSERT_EQ(ftruncate(file_.fd, 0), 0);
  ASSERT_TRUE(WriteZeros(file_, 100, 1 << 20).ok());
  EXPECT_EQ(Content(), std::string(100 + (1 << 20), '\0'));
  EXPECT_GE(Storage(), 1u << 20);
}

TEST_F(FileZeroing, ReservingTakesStorageAndReadsZeros) {
  ASSERT_TRUE(ReserveRange(file_, 100'000, 1 << 20).ok());
  EXPECT_EQ(Content(), std::string(100'000, 'x') + std::string(1 << 20, '\0'));
  EXPECT_GE(Storage(), 1u << 20);
}

TEST_F(FileZeroing, FailureIsTold) {
  const IoFile closed{.fd = -1};
  EXPECT_EQ(ZeroRange(closed, 0, 10).os_errno, EBADF);
  EXPECT_EQ(ReserveRange(closed, 0, 10).os_errno, EBADF);
  EXPECT_EQ(WriteZeros(closed, 0, 10).os_errno, EBADF);
  DiscardRange(closed, 0, 10);
}

TEST_F(FileZeroing, AFileThatCannotTellItsHolesIsData) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const RunOfFile run = FindRun(pipe_fds[0], 0, 77);
  EXPECT_FALSE(run.hole);
  EXPECT_EQ(run.length, 77u);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST_F(FileZeroing, OneByteOfARunIsToldLikeAllOfIt) {
  ASSERT_EQ(ftruncate(file_.fd, 0), 0);
  ASSERT_EQ(ftruncate(file_.fd, 10 << 20), 0);
  ASSERT_EQ(pwrite(file_.fd, "x", 1, 4 << 20), 1);
  FileRuns shared;
  for (FileRuns* const runs : {static_cast<FileRuns*>(nullptr), &shared, &shared}) {
    EXPECT_TRUE(FindRun(runs, file_.fd, 0, 1).hole);
    EXPECT_FALSE(FindRun(runs, file_.fd, 4 << 20, 1).hole);
    EXPECT_TRUE(FindRun(runs, file_.fd, 8 << 20, 1).hole);
    EXPECT_EQ(FindRun(runs, file_.fd, 0, 1).length, 1u);
  }
}

TEST_F(FileZeroing, RunsAfterHolesAreFoundWithFewerSeeks) {
  constexpr std::uint64_t kPage = 4096;
  ASSERT_EQ(ftruncate(file_.fd, 0), 0);
  ASSERT_EQ(ftruncate(file_.fd, 64 * kPage), 0);
  for (const std::uint64_t page : {0, 1, 5, 8, 9, 63}) {
    ASSERT_EQ(pwrite(file_.fd, "x", 1, static_cast<off_t>(page * kPage)), 1);
  }
  FileRuns shared;
  std::vector<std::pair<bool, std::uint64_t>> pages;
  for (std::uint64_t at = 0; at < 64 * kPage;) {
    const RunOfFile run = FindRun(&shared, file_.fd, at, 64 * kPage - at);
    const RunOfFile plain = FindRun(file_.fd, at, 64 * kPage - at);
    EXPECT_EQ(std::pair(run.hole, run.length), std::pair(plain.hole, plain.length)) << at;
    pages.emplace_back(run.hole, run.length / kPage);
    at += run.length;
  }
  EXPECT_EQ(pages,
            (std::vector<std::pair<bool, std::uint64_t>>{
                {false, 2}, {true, 3}, {false, 1}, {true, 2}, {false, 2}, {true, 53}, {false, 1}}));
  // What was data is a hole by now.
  const RunOfFile gone = FindRun(file_.fd, 2 * kPage, 64 * kPage, true);
  EXPECT_TRUE(gone.hole);
  EXPECT_EQ(gone.length, 3 * kPage);
}

TEST_F(FileZeroing, RunMemoryTakesMoreAndMoreForDataAfterData) {
  constexpr std::uint64_t kMiB = 1 << 20;
  FillUpTo(32 * kMiB, 64 * kMiB);
  RunMemory memory;
  std::uint64_t at = 0;
  for (std::uint64_t step = RunMemory::kFirstStep; step < RunMemory::kLongestStep; step *= 2) {
    const RunOfFile run = memory.Find(0, file_.fd, nullptr, at, 64 * kMiB);
    EXPECT_FALSE(run.hole);
    EXPECT_EQ(run.length, step);
    at += run.length;
  }
  EXPECT_EQ(memory.Find(0, file_.fd, nullptr, at, kMiB).length, kMiB);
  const RunOfFile hole = memory.Find(0, file_.fd, nullptr, 33 * kMiB, 10 * kMiB);
  EXPECT_TRUE(hole.hole);
  EXPECT_EQ(hole.length, 10 * kMiB);
  // Another file, and data elsewhere, start over.
  EXPECT_EQ(memory.Find(1, file_.fd, nullptr, 0, 64 * kMiB).length, RunMemory::kFirstStep);
  EXPECT_EQ(memory.Find(1, file_.fd, nullptr, 9 * kMiB, 64 * kMiB).length, RunMemory::kFirstStep);
}

TEST_F(FileZeroing, RunMemorySeeksAgainOnlyBeyondARun) {
  ASSERT_EQ(ftruncate(file_.fd, 10 << 20), 0);
  RunMemory memory;
  EXPECT_FALSE(memory.Find(0, file_.fd, nullptr, 0, 4096).hole);
  EXPECT_TRUE(memory.Find(0, file_.fd, nullptr, 5 << 20, 4096).hole);
  // Were it asked again, it would say data.
  ASSERT_EQ(pwrite(file_.fd, "x", 1, 6 << 20), 1);
  EXPECT_TRUE(memory.Find(0, file_.fd, nullptr, 6 << 20, 4096).hole);
  EXPECT_FALSE(memory.Find(1, file_.fd, nullptr, 6 << 20, 4096).hole);
}

TEST_F(FileZeroing, RunsOnceFoundAreRememberedForAll) {
  constexpr std::uint64_t kMiB = 1 << 20;
  FillUpTo(9 * kMiB, 20 * kMiB);
  FileRuns shared;
  EXPECT_EQ(shared.Find(file_.fd, 2 * kMiB, kMiB).length, kMiB);  // not from its start
  EXPECT_TRUE(shared.Find(file_.fd, 12 * kMiB, kMiB).hole);
  // Were it asked again, it would say that there is a hole, and data.
  DiscardRange(file_, 4 * kMiB, kMiB);
  ASSERT_EQ(pwrite(file_.fd, "x", 1, 14 * kMiB), 1);
  RunMemory memory;
  for (const std::uint64_t at : {2 * kMiB, 4 * kMiB, 8 * kMiB}) {
    EXPECT_FALSE(shared.Find(file_.fd, at, kMiB).hole) << at;
    EXPECT_FALSE(memory.Find(0, file_.fd, &shared, at, kMiB).hole) << at;
  }
  EXPECT_EQ(shared.Find(file_.fd, 8 * kMiB, 5 * kMiB).length, kMiB);
  EXPECT_TRUE(shared.Find(file_.fd, 14 * kMiB, 1).hole);
  // Before what is known it is asked, and finds a run that goes on as far as it now does.
  EXPECT_EQ(shared.Find(file_.fd, kMiB, 20 * kMiB).length, 3 * kMiB);
  EXPECT_EQ(shared.Find(file_.fd, 3 * kMiB, 20 * kMiB).length, kMiB);
}

TEST_F(FileZeroing, AFileInManySmallPiecesIsGoneThroughInItsOrder) {
  constexpr std::uint64_t kStep = 8192;
  constexpr std::uint64_t kPieces = 5000;
  ASSERT_EQ(ftruncate(file_.fd, 0), 0);
  for (std::uint64_t i = 0; i < kPieces; ++i) {
    ASSERT_EQ(pwrite(file_.fd, "x", 1, static_cast<off_t>(i * kStep)), 1);
  }
  FileRuns runs;
  std::uint64_t at = 0;
  std::uint64_t found = 0;
  while (at < (kPieces - 1) * kStep) {
    const RunOfFile run = runs.Find(file_.fd, at, 1 << 30);
    ASSERT_EQ(run.length, kStep / 2);
    ASSERT_EQ(run.hole, found % 2 == 1);
    at += run.length;
    ++found;
  }
  EXPECT_EQ(found, 2 * (kPieces - 1));
}

}  // namespace
}  // namespace instar::vmm
