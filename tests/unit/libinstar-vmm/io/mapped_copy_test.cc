#include "io/mapped_copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
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

}  // namespace
}  // namespace instar::vmm
