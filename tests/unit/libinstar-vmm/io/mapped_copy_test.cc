#include "io/mapped_copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <string>

#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20;

std::string Noise(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

class MappedCopyTest : public testing::Test {
 protected:
  MappedCopyTest() : content_(Noise(5 * kMib, 1)), before_(Noise(6 * kMib, 2)) {
    source_ = open(directory_.Write("source", content_).c_str(), O_RDONLY);
    target_ = open(directory_.Write("target", before_).c_str(), O_RDWR);
  }
  ~MappedCopyTest() override {
    close(source_);
    close(target_);
  }
  bool Copy(std::uint64_t from, std::uint64_t to, std::uint64_t length) {
    return copy_.Copy({.source_fd = source_,
                       .target_fd = target_,
                       .source_offset = from,
                       .target_offset = to,
                       .length = length});
  }
  std::string Target() { return ReadWholeFile(directory_ / "target"); }

  TemporaryDirectory directory_;
  const std::string content_;
  const std::string before_;
  int source_ = -1;
  int target_ = -1;
  MappedCopy copy_;
};

TEST_F(MappedCopyTest, ChangesWhatItCopiesToAndNothingElse) {
  struct Piece {
    std::uint64_t from, to, length;
  };
  // Within a page, across windows, back again, to the last byte.
  const Piece pieces[] = {{0, 100, 50},
                          {777, kMib - 1, 3 * kMib + 2},
                          {4096, 2 * kMib, 65536},
                          {5 * kMib - 1, 10, 1},
                          {0, 5 * kMib, kMib}};
  std::string expected = before_;
  for (const Piece& piece : pieces) {
    ASSERT_TRUE(Copy(piece.from, piece.to, piece.length));
    expected.replace(piece.to, piece.length, content_, piece.from, piece.length);
    ASSERT_EQ(Target(), expected) << piece.to;
  }
}

TEST_F(MappedCopyTest, DoesNotReachBeyondTheTarget) {
  EXPECT_FALSE(Copy(0, 6 * kMib, 65536));
  EXPECT_FALSE(Copy(0, 6 * kMib - 4096, 65536));
  EXPECT_EQ(Target().size(), before_.size());
}

TEST_F(MappedCopyTest, TellsOfASourceThatEnds) {
  EXPECT_FALSE(Copy(5 * kMib - 100, 0, 101));
  EXPECT_TRUE(Copy(5 * kMib - 100, 0, 100));
}

TEST_F(MappedCopyTest, OutlivesATargetThatIsCutShort) {
  ASSERT_TRUE(Copy(0, 0, 65536));
  ASSERT_EQ(ftruncate(target_, 0), 0);
  EXPECT_FALSE(Copy(0, 0, 65536)) << "the place is mapped, but gone";
  ASSERT_EQ(ftruncate(target_, 65536), 0);
  EXPECT_TRUE(Copy(0, 0, 65536));
  EXPECT_EQ(Target(), content_.substr(0, 65536));
}

TEST_F(MappedCopyTest, TellsOfATargetThatCannotBeMapped) {
  close(target_);
  target_ = open((directory_ / "target").c_str(), O_WRONLY);
  EXPECT_FALSE(Copy(0, 0, 65536));
}

// Targets in memory, where the kernel may or may not make large pages: what it is asked for changes
// no content in either case.
class LargePageTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kPage = MappedCopy::kLargePage;

  LargePageTest() : content_(Noise(2 * kPage, 3)), target_(memfd_create("target", MFD_CLOEXEC)) {
    source_ = open(directory_.Write("source", content_).c_str(), O_RDONLY);
    EXPECT_EQ(ftruncate(target_, 4 * kPage), 0);
  }
  ~LargePageTest() override {
    close(source_);
    close(target_);
  }
  std::string Target() {
    std::string bytes(4 * kPage, 'x');
    EXPECT_EQ(pread(target_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return bytes;
  }
  std::uint64_t Storage() {
    struct stat status{};
    EXPECT_EQ(fstat(target_, &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  TemporaryDirectory directory_;
  const std::string content_;
  int source_ = -1;
  int target_ = -1;
  MappedCopy copy_;
};

TEST_F(LargePageTest, KeepsWhatAPlaceHolds) {
  std::string expected(4 * kPage, '\0');
  for (const std::uint64_t at : {kPage, kPage + 8191, 2 * kPage - 3}) {
    ASSERT_EQ(pwrite(target_, "abc", 3, static_cast<off_t>(at)), 3);
    expected.replace(at, 3, "abc");
  }
  const bool made = copy_.MakeLarge(target_, kPage);
  EXPECT_EQ(Target(), expected);
  if (!made) GTEST_SKIP() << "this kernel makes no large pages here";
  EXPECT_EQ(Storage(), kPage) << "and nothing of its neighbours";
}

TEST_F(LargePageTest, CopiesToAllOfAPlaceOrAPartOfIt) {
  std::string expected(4 * kPage, '\0');
  const auto copy = [&](std::uint64_t from, std::uint64_t to, std::uint64_t length) {
    expected.replace(to, length, content_, from, length);
    return copy_.CopyLarge({.source_fd = source_,
                            .target_fd = target_,
                            .source_offset = from,
                            .target_offset = to,
                            .length = length});
  };
  if (!copy(4096, kPage, kPage)) GTEST_SKIP() << "this kernel makes no large pages here";
  EXPECT_TRUE(copy(777, 3 * kPage - 100'000, 100'000));
  EXPECT_TRUE(copy(0, 0, 1));
  EXPECT_EQ(Target(), expected);
  EXPECT_EQ(Storage(), 3 * kPage);
}

TEST_F(LargePageTest, GivesUpAfterManyFailuresInARow) {
  int attempts = 0;
  while (copy_.makes_large()) {
    EXPECT_FALSE(copy_.MakeLarge(target_, 4 * kPage)) << "beyond the end";
    ASSERT_LT(++attempts, 100);
  }
  EXPECT_GT(attempts, 1);
  EXPECT_FALSE(copy_.MakeLarge(target_, 0));
  EXPECT_EQ(Storage(), 0U) << "it is not even tried";
}

}  // namespace
}  // namespace instar::vmm
