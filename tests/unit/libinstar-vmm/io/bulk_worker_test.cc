#include "io/bulk_worker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

// A source and a target file, moved by one worker.
class BulkWorkerTest : public testing::Test {
 protected:
  ~BulkWorkerTest() override {
    close(source_.io.fd);
    close(target_.io.fd);
  }

  void SetSource(const std::string& content) {
    const std::string path = directory_.Write("source", content);
    source_ = {.io = {.fd = open(path.c_str(), O_RDWR)}, .key = 0, .stable = true};
    target_ = {
        .io = {.fd = open((directory_ / "target").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600)},
        .key = 1,
        .stable = false,
        .work = &target_work_};
    ledger_.readable().Add(-1, content.size(), content.size());
  }
  // A copy from `from` in the source to `to` in the target.
  BulkCopy Piece(std::uint64_t from, std::uint64_t to, std::uint64_t length,
                 std::uint64_t zero_run_bytes, const BulkCopy* next = nullptr) const {
    return {.source = source_,
            .target = target_,
            .source_offset = from,
            .target_offset = to,
            .length = length,
            .zero_run_bytes = zero_run_bytes,
            .next = next};
  }
  void CopyAll(std::uint64_t length, std::uint64_t zero_run_bytes) {
    const IoResult result = worker_.Copy(Piece(0, 0, length, zero_run_bytes));
    EXPECT_TRUE(result.ok()) << result.os_errno;
  }
  std::string Target() { return ReadWholeFile(directory_ / "target"); }
  std::uint64_t TargetStorage() {
    struct stat status{};
    fstat(target_.io.fd, &status);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  std::vector<std::uint64_t> Scan(std::uint64_t offset, std::uint64_t length, std::uint64_t unit,
                                  std::size_t words) {
    std::vector<std::uint64_t> bitmap(words);
    worker_.BeginScan();
    {
      BitWriter bits(std::as_writable_bytes(std::span(bitmap)));
      EXPECT_TRUE(worker_.Scan(source_, offset, length, unit, bits).ok());
    }
    return bitmap;
  }

  TemporaryDirectory directory_;
  WorkLedger ledger_{0};
  BulkWorker worker_{WorkMeter(ledger_)};
  TargetWork target_work_;
  BulkFile source_;
  BulkFile target_;
};

// Data and zeros in runs of random length.
std::string Mixed(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string content;
  while (content.size() < size) {
    const std::size_t run = random() % 40'000 + 1;
    content += random() % 2 == 0 ? std::string(run, '\0')
                                 : std::string(run, static_cast<char>(random() % 255 + 1));
  }
  content.resize(size);
  return content;
}

TEST_F(BulkWorkerTest, SparseCopiesOfEveryUnitGiveTheSameBytes) {
  const std::string content = Mixed(3'000'001, 1);
  for (const std::uint64_t unit : {512, 4096, 65536, 1 << 20, 2 << 20}) {
    SetSource(content);
    ASSERT_EQ(ftruncate(target_.io.fd, static_cast<off_t>(content.size())), 0);
    CopyAll(content.size(), unit);
    EXPECT_EQ(Target(), content) << unit;
  }
}

TEST_F(BulkWorkerTest, ZeroUnitsBeginWhereTheCopyBegins) {
  constexpr std::size_t kUnit = 65536;
  SetSource(std::string(kUnit, '\0') + std::string(kUnit, 'x') + std::string(kUnit, '\0') +
            std::string(kUnit, 'y'));
  const std::string before(4 * kUnit + 512, 'b');
  ASSERT_EQ(pwrite(target_.io.fd, before.data(), before.size(), 0),
            static_cast<ssize_t>(before.size()));
  EXPECT_TRUE(worker_.Copy(Piece(0, 512, 4 * kUnit, kUnit)).ok());
  // What is left out keeps what it held.
  EXPECT_EQ(Target(), std::string(512 + kUnit, 'b') + std::string(kUnit, 'x') +
                          std::string(kUnit, 'b') + std::string(kUnit, 'y'));
}

TEST_F(BulkWorkerTest, NothingIsDoneForARunThatHasEnded) {
  SetSource(std::string(1 << 20, 'x'));
  ledger_.stop().Stop();
  EXPECT_EQ(worker_.Copy(Piece(0, 0, 1 << 20, 0)).os_errno, ECANCELED);
  EXPECT_EQ(worker_.Zero(target_, 0, 1 << 20).os_errno, ECANCELED);
  EXPECT_EQ(worker_.Discard(target_, 0, 1 << 20).os_errno, ECANCELED);
  EXPECT_EQ(worker_.Extend(target_, 0, 1 << 20, /*write=*/true).os_errno, ECANCELED);
  std::optional<std::uint64_t> difference;
  EXPECT_EQ(worker_.Compare(source_, 0, source_, 0, 1 << 20, difference).os_errno, ECANCELED);
  std::vector<std::uint64_t> bitmap(64);
  BitWriter bits(std::as_writable_bytes(std::span(bitmap)));
  EXPECT_EQ(worker_.Scan(source_, 0, 1 << 20, 4096, bits).os_errno, ECANCELED);
  EXPECT_EQ(Target(), "");
}

TEST_F(BulkWorkerTest, CopyingTheSameBytesAgainIsNoProgress) {
  SetSource(std::string(1 << 20, 'x'));
  for (int i = 0; i < 3; ++i) CopyAll(1 << 20, 0);
  EXPECT_EQ(ledger_.done(0).fresh, 1u << 20);
}

// A worker that maps what it copies to, beside others that write.
class MappingWorkerTest : public BulkWorkerTest {
 protected:
  void SetFiles(const std::string& content) {
    SetSource(content);
    target_.in_memory = true;
  }
  IoResult Copy(std::uint64_t from, std::uint64_t to, std::uint64_t length,
                std::uint64_t zero_run_bytes) {
    return mapping_.Copy(Piece(from, to, length, zero_run_bytes));
  }
  // It stays mapped for a while.
  bool TargetIsMapped() {
    return ReadWholeFile("/proc/self/maps").find(directory_ / "target") != std::string::npos;
  }

  BulkWorker mapping_{WorkMeter(ledger_), /*maps=*/true};
};

TEST_F(MappingWorkerTest, CopiesOfEveryUnitGiveTheSameBytes) {
  const std::string content = Mixed(3'000'001, 1);
  for (const std::uint64_t unit : {0, 512, 4096, 65536, 1 << 20, 2 << 20}) {
    SetFiles(content);
    ASSERT_EQ(ftruncate(target_.io.fd, static_cast<off_t>(content.size())), 0);
    EXPECT_TRUE(Copy(0, 0, content.size(), unit).ok());
    EXPECT_EQ(Target(), content) << unit;
    if (unit >= 65536 || unit == 0) {
      EXPECT_TRUE(TargetIsMapped()) << unit;
    }
  }
}

// Where the place of a copy is behind the end of the file, as that of new clusters is.
TEST_F(MappingWorkerTest, ACopyOfAllBytesMakesTheFileLonger) {
  const std::string content = Mixed(1'000'001, 2);
  SetFiles(content);
  EXPECT_TRUE(Copy(1, 65'536, 900'000, 0).ok());
  EXPECT_TRUE(TargetIsMapped());
  EXPECT_EQ(Target(), std::string(65'536, '\0') + content.substr(1, 900'000));
  EXPECT_TRUE(Copy(0, 0, 65'536, 0).ok()) << "and never shorter";
  EXPECT_EQ(Target(), content.substr(0, 65'536) + content.substr(1, 900'000));
}

TEST_F(MappingWorkerTest, ASparseCopyLeavesTheEndOfTheFileWhereItWas) {
  SetFiles(std::string(200'000, 'x') + std::string(1 << 20, '\0'));
  EXPECT_TRUE(Copy(0, 0, 200'000 + (1 << 20), 4096).ok());
  EXPECT_LE(Target().size(), 262'144U);
}

TEST_F(MappingWorkerTest, WhatLiesBehindTheSourceIsZeros) {
  SetFiles(std::string(100'000, 'x'));
  ASSERT_EQ(pwrite(target_.io.fd, "old", 3, 399'997), 3);
  EXPECT_TRUE(Copy(0, 0, 400'000, 0).ok());
  EXPECT_EQ(Target(), std::string(100'000, 'x') + std::string(300'000, '\0'));
}

TEST_F(MappingWorkerTest, WhatCannotBeMappedIsWritten) {
  SetFiles(Mixed(1'000'001, 3));
  close(target_.io.fd);
  target_.io.fd = open((directory_ / "target").c_str(), O_WRONLY);
  EXPECT_TRUE(Copy(0, 0, 1'000'001, 0).ok());
  EXPECT_EQ(Target(), Mixed(1'000'001, 3));
}

// A worker that writes, to a file in memory.
class WorkerInMemoryTest : public BulkWorkerTest {
 protected:
  static constexpr std::uint64_t kLarge = MappedCopy::kLargePage;
  static constexpr std::uint64_t kPage = 4096;

  void SetFiles(const std::string& content) {
    SetSource(content);
    close(target_.io.fd);
    target_.io.fd = memfd_create("target", MFD_CLOEXEC);
    target_.in_memory = true;
  }
  void Copy(std::uint64_t from, std::uint64_t to, std::uint64_t length,
            std::uint64_t zero_run_bytes) {
    EXPECT_TRUE(worker_.Copy(Piece(from, to, length, zero_run_bytes)).ok());
  }
  std::string Target() {
    struct stat status{};
    EXPECT_EQ(fstat(target_.io.fd, &status), 0);
    std::string bytes(static_cast<std::size_t>(status.st_size), 'x');
    EXPECT_EQ(pread(target_.io.fd, bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    return bytes;
  }
  // As long as large pages are made, or tried to.
  static bool TargetIsMapped() {
    return ReadWholeFile("/proc/self/maps").find("/memfd:target") != std::string::npos;
  }
  static std::string Data(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 255 + 1);
    return bytes;
  }
};

TEST_F(WorkerInMemoryTest, CopiesToAnyPlaceGiveTheSameBytes) {
  const std::string content = Data(3 * kLarge, 4);
  for (const std::uint64_t unit : {std::uint64_t{0}, kPage, kLarge}) {
    for (const std::uint64_t to :
         {std::uint64_t{0}, std::uint64_t{512}, kLarge - kPage, kLarge + 1}) {
      SetFiles(content);
      Copy(0, to, content.size(), unit);
      EXPECT_TRUE(TargetIsMapped());
      EXPECT_EQ(Target(), std::string(to, '\0') + content) << unit << " to " << to;
    }
  }
}

TEST_F(WorkerInMemoryTest, APageOfZerosWithinALargeOneTakesNoStorage) {
  for (const std::uint64_t hole : {kLarge, kLarge + 5 * kPage, 2 * kLarge - kPage}) {
    std::string content = Data(3 * kLarge, 5);
    content.replace(hole, kPage, kPage, '\0');
    SetFiles(content);
    Copy(0, 0, content.size(), kPage);
    EXPECT_EQ(Target(), content) << hole;
    EXPECT_EQ(TargetStorage(), content.size() - kPage) << hole;
  }
}

// As blocks of a VHD are, which have a bitmap before them.
TEST_F(WorkerInMemoryTest, CopiesBesideEachOtherLeaveOutAPageAtMost) {
  const std::string content = Data(4 * kLarge, 6);
  for (const std::uint64_t gap : {std::uint64_t{512}, kPage, 2 * kPage}) {
    SetFiles(content);
    std::string expected(1536, '\0');
    for (std::uint64_t block = 0; block < 4; ++block) {
      Copy(block * kLarge, expected.size() + gap, kLarge, kPage);
      expected += std::string(gap, '\0') + content.substr(block * kLarge, kLarge);
    }
    EXPECT_EQ(Target(), expected) << gap;
    EXPECT_LE(TargetStorage(), content.size() + 10 * kPage) << gap;
  }
}

// The end of one and the beginning of the next stand in one large page.
TEST_F(WorkerInMemoryTest, ALargePageIsMadeForTwoCopies) {
  for (const std::uint64_t first : {kPage, kLarge / 4, kLarge - 3 * kPage}) {
    for (const std::uint64_t unit : {std::uint64_t{0}, kPage}) {
      for (const std::uint64_t gap : {std::uint64_t{0}, kPage, 2 * kPage}) {
        SCOPED_TRACE(testing::Message() << first << ' ' << unit << ' ' << gap);
        const std::string content = Data(2 * kLarge, 8);
        SetFiles(content);
        const BulkCopy next = Piece(kLarge, first + gap, kLarge, unit);
        EXPECT_TRUE(worker_.Copy(Piece(0, 0, first, unit, &next)).ok());
        EXPECT_EQ(TargetStorage(), gap <= kPage ? kLarge : first);
        EXPECT_TRUE(worker_.Copy(next).ok());
        EXPECT_EQ(Target(),
                  content.substr(0, first) + std::string(gap, '\0') + content.substr(kLarge));
        EXPECT_LE(TargetStorage(), first + gap + kLarge);
      }
    }
  }
}

TEST_F(WorkerInMemoryTest, NoLargePageIsMadeForTwoCopiesWhereSomethingIsLeftOut) {
  constexpr std::uint64_t kFirst = kLarge / 4;
  for (const std::uint64_t hole : {kPage, kLarge + kPage, kLarge + kLarge / 2}) {
    std::string content = Data(2 * kLarge, 9);
    content.replace(hole, kPage, kPage, '\0');
    SetFiles(content);
    const BulkCopy next = Piece(kLarge, kFirst, kLarge, kPage);
    EXPECT_TRUE(worker_.Copy(Piece(0, 0, kFirst, kPage, &next)).ok());
    EXPECT_TRUE(worker_.Copy(next).ok());
    EXPECT_EQ(Target(), content.substr(0, kFirst) + content.substr(kLarge));
    EXPECT_EQ(TargetStorage(), kFirst + kLarge - kPage) << hole;
  }
}

TEST_F(WorkerInMemoryTest, HolesOfTheSourceStayHolesInTwoCopiesWithALargeZeroUnit) {
  constexpr std::uint64_t kUnit = 65536;
  SetFiles(Data(kLarge / 4, 10));
  ASSERT_EQ(ftruncate(source_.io.fd, kLarge * 3), 0);
  for (std::uint64_t at = kLarge; at < 2 * kLarge; at += kUnit) {
    ASSERT_EQ(pwrite(source_.io.fd, "data", 4, static_cast<off_t>(at)), 4);
  }
  ledger_.readable().Add(-1, kLarge * 3, kLarge * 3);
  const BulkCopy next = Piece(kLarge, kLarge / 4, kLarge, kUnit);
  EXPECT_TRUE(worker_.Copy(Piece(0, 0, kLarge / 4, kUnit, &next)).ok());
  EXPECT_TRUE(worker_.Copy(next).ok());
  EXPECT_EQ(TargetStorage(), kLarge / 4 + kLarge / kUnit * kPage);
}

TEST_F(WorkerInMemoryTest, OneHoleOfAPageBetweenCopiesIsFilledInALargePageAtMost) {
  const std::string content = Data(kLarge, 7);
  SetFiles(content);
  std::uint64_t holes = 0;
  for (std::uint64_t at = 0; at < kLarge / 2; at += 16 * kPage, ++holes)
    Copy(at, at, 15 * kPage, 0);
  Copy(kLarge / 2, kLarge / 2, kLarge / 2, 0);
  EXPECT_GE(TargetStorage(), kLarge - holes * kPage);
  EXPECT_LE(TargetStorage(), kLarge - (holes - 1) * kPage);
}

TEST_F(WorkerInMemoryTest, PreparingAddsNothingToAFile) {
  SetFiles("");
  worker_.Prepare(target_, 0, 2 * kLarge);
  EXPECT_EQ(TargetStorage(), 0U);
  ASSERT_EQ(ftruncate(target_.io.fd, 2 * kLarge), 0);
  worker_.Prepare(target_, 1, 2 * kLarge - 2);
  EXPECT_EQ(TargetStorage(), 0U) << "no large page lies within";
  worker_.Prepare(target_, kPage, 2 * kLarge - kPage);
  EXPECT_EQ(Target(), std::string(2 * kLarge, '\0'));
  EXPECT_LE(TargetStorage(), kLarge);
}

TEST_F(BulkWorkerTest, ASparseCopyTakesNoStorageForZerosOfAUnit) {
  std::string content(1 << 20, 'x');
  content.replace(1 << 18, 1 << 18, 1 << 18, '\0');
  SetSource(content);
  CopyAll(content.size(), 4096);
  EXPECT_EQ(Target(), content);
  EXPECT_LE(TargetStorage(), content.size() - (1 << 18) + 65536);
}

// It would wait for a minute.
TEST_F(BulkWorkerTest, TheRateLimitDoesNotConcernZerosThatAreLeftOut) {
  SetSource(std::string(1 << 20, '\0') + std::string(4096, 'x'));
  WorkLedger slow(/*bytes_per_second=*/1 << 14);
  BulkWorker worker{WorkMeter(slow)};
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(worker.Copy(Piece(0, 0, (1 << 20) + 4096, 4096)).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  EXPECT_EQ(Target().size(), (1U << 20) + 4096);
}

TEST_F(BulkWorkerTest, APlainCopyWritesZerosAndHoles) {
  SetSource("x");
  ASSERT_EQ(ftruncate(source_.io.fd, 1 << 20), 0);
  CopyAll(1 << 20, 0);
  EXPECT_GE(TargetStorage(), 1u << 20);
}

TEST_F(BulkWorkerTest, ASparseCopyOfAHugeHoleReadsNothing) {
  SetSource("x");
  ASSERT_EQ(ftruncate(source_.io.fd, off_t{1} << 40), 0);
  CopyAll(std::uint64_t{1} << 40, 4096);
  EXPECT_EQ(Target(), "x" + std::string(4095, '\0'));
}

TEST_F(BulkWorkerTest, ASparseCopyStopsAtTheEndOfTheSource) {
  SetSource("abc");
  CopyAll(std::uint64_t{1} << 50, 512);
  EXPECT_EQ(Target().substr(0, 3), "abc");
}

TEST_F(BulkWorkerTest, AScanReadsNoMoreOfAUnitThanShowsThatItHoldsData) {
  constexpr std::size_t kUnit = 1 << 20;
  std::string content(8 * kUnit, 'x');
  content.replace(3 * kUnit, kUnit, kUnit, '\0');      // all of it zeros
  content.replace(5 * kUnit, 100'000, 100'000, '\0');  // data behind zeros
  SetSource(content);
  const std::uint64_t before = ledger_.done(0).moved;  // goes up by what is read
  EXPECT_EQ(Scan(0, content.size(), kUnit, 1)[0], 1u << 3);
  // The zeros, the unit that follows them, and what is in front of data.
  EXPECT_LE(ledger_.done(0).moved - before, 2 * kUnit);
}

TEST_F(BulkWorkerTest, AScanInSmallUnitsReadsAllOfThem) {
  const std::string content(3 << 20, 'x');
  SetSource(content);
  const std::uint64_t before = ledger_.done(0).moved;
  Scan(0, content.size(), 4096, 12);
  EXPECT_EQ(ledger_.done(0).moved - before, content.size());
}

TEST_F(BulkWorkerTest, AScanLooksAtNothingButItsRange) {
  std::string content(1 << 20, 'x');
  content.replace(8192, 512, 512, '\0');
  content.replace(65536, 20'000, 20'000, '\0');
  SetSource(content);
  EXPECT_EQ(Scan(8192, 512, 65536, 1)[0], 1u);
  EXPECT_EQ(Scan(65536, 20'000, 65536, 1)[0], 1u);
  EXPECT_EQ(Scan(8192, 513, 65536, 1)[0], 0u);
}

TEST_F(BulkWorkerTest, WhatAScanReadIsCopiedAndSoIsWhatItDidNotRead) {
  const std::string content = Mixed(12 << 20, 3);
  for (const std::uint64_t unit : {4096, 65536, 1 << 20}) {
    SetSource(content);
    ASSERT_EQ(ftruncate(target_.io.fd, static_cast<off_t>(content.size())), 0);
    Scan(0, content.size(), unit, 4096);
    CopyAll(content.size(), 4096);
    EXPECT_TRUE(Target() == content) << unit;  // too long to be printed
  }
}

TEST_F(BulkWorkerTest, ScanOfAnyUnitAgreesWithALookAtTheBytes) {
  const std::string content = Mixed(2'000'123, 7);
  SetSource(content);
  for (const std::uint64_t unit : {512u, 4096u, 5000u, 65536u, 1u << 20}) {
    for (const std::uint64_t offset : {0u, 777u}) {
      const std::uint64_t length = content.size() - offset + 10'000;  // beyond the end as well
      const std::uint64_t units = (length + unit - 1) / unit;
      const auto bitmap = Scan(offset, length, unit, units / 64 + 1);
      for (std::uint64_t i = 0; i < units; ++i) {
        const std::uint64_t from = std::min<std::uint64_t>(offset + i * unit, content.size());
        const std::uint64_t to = std::min<std::uint64_t>(from + unit, content.size());
        const bool zero = content.find_first_not_of('\0', from) >= to;
        ASSERT_EQ((bitmap[i / 64] >> (i % 64) & 1) != 0, zero) << unit << " " << i;
      }
    }
  }
}

TEST_F(BulkWorkerTest, ScanOfAHugeHoleReadsNothing) {
  SetSource("");
  ASSERT_EQ(ftruncate(source_.io.fd, off_t{1} << 40), 0);
  const auto bitmap = Scan(0, std::uint64_t{1} << 40, std::uint64_t{1} << 36, 1);
  EXPECT_EQ(bitmap[0], 0xFFFFu);
  EXPECT_LE(ledger_.done(0).moved, 64 * WorkLedger::kRunBytes);
}

TEST_F(BulkWorkerTest, CopiesAfterScansOfManyPiecesGiveTheSameBytes) {
  const std::string content = Mixed(9'000'000, 3);
  SetSource(content);
  std::mt19937 random(5);
  for (int round = 0; round < 40; ++round) {
    const std::uint64_t at = random() % content.size();
    const std::uint64_t length =
        std::min<std::uint64_t>(random() % 6'000'000 + 1, content.size() - at);
    Scan(at, length, 4096, 4096);
    const std::uint64_t from = at > 5000 && round % 2 == 0 ? at - 5000 : at;
    const std::uint64_t unit = round % 3 == 0 ? 0 : 4096;
    ASSERT_TRUE(worker_.Copy(Piece(from, from, at + length - from, unit)).ok());
    const std::string copied = Target().substr(from, at + length - from);
    std::string expected = content.substr(from, copied.size());
    ASSERT_TRUE(copied == expected) << round;
  }
}

TEST_F(BulkWorkerTest, CompareAgreesWithEqualBytesAndFindsOneChange) {
  const std::string content = Mixed(1'500'000, 11);
  SetSource(content);
  CopyAll(content.size(), 0);
  std::optional<std::uint64_t> difference;
  ASSERT_TRUE(worker_.Compare(source_, 0, target_, 0, content.size(), difference).ok());
  EXPECT_EQ(difference, std::nullopt);
  const char changed = static_cast<char>(content[1'234'567] ^ 1);
  ASSERT_EQ(pwrite(target_.io.fd, &changed, 1, 1'234'567), 1);
  ASSERT_TRUE(worker_.Compare(source_, 7, target_, 7, content.size(), difference).ok());
  EXPECT_EQ(difference, 1'234'560u);
}

TEST_F(BulkWorkerTest, AWriteThatFailsNamesTheTargetAndTheOffset) {
  SetSource(std::string(8192, 'x'));
  close(target_.io.fd);
  target_.io.fd = open((directory_ / "target").c_str(), O_RDONLY);
  const IoResult result =
      worker_.Copy({.source = source_, .target = target_, .target_offset = 4096, .length = 8192});
  EXPECT_EQ(result.os_errno, EBADF);
  EXPECT_EQ(result.offset, 4096u);
  EXPECT_TRUE(result.on_target);
}

TEST_F(BulkWorkerTest, AReadThatFailsNamesTheSource) {
  SetSource("x");
  close(source_.io.fd);
  source_.io.fd = open(directory_.path().c_str(), O_RDONLY);
  const IoResult result =
      worker_.Copy({.source = source_, .target = target_, .source_offset = 512, .length = 512});
  EXPECT_EQ(result.os_errno, EISDIR);
  EXPECT_FALSE(result.on_target);
}

}  // namespace
}  // namespace instar::vmm
