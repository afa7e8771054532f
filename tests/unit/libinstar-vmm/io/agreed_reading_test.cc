#include "io/agreed_reading.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

namespace instar::vmm {
namespace {

// Answers reads one after the other, the last one again and again.
class File {
 public:
  explicit File(std::vector<std::string> contents) : contents_(std::move(contents)) {}

  IoResult operator()(std::span<std::byte> out) const {
    const std::string& content = contents_[std::min(reads, contents_.size() - 1)];
    ++reads;
    if (content == "error") return {.os_errno = EIO};
    std::ranges::transform(content, out.begin(), [](char c) { return std::byte(c); });
    return {};
  }
  mutable std::size_t reads = 0;

 private:
  std::vector<std::string> contents_;
};

// What is left of a root of which the first read gave `first`.
std::string Read(std::string first, const File& file, int error = 0) {
  const auto root = std::as_writable_bytes(std::span(first));
  EXPECT_EQ(ReadUntilAgreed(root, file).os_errno, error);
  return first;
}

TEST(AgreedReading, OneMoreReadIsEnoughWhereNobodyWrites) {
  const File file({"old"});
  EXPECT_EQ(Read("old", file), "old");
  EXPECT_EQ(file.reads, 1u);
}

TEST(AgreedReading, HalfARootIsReadAgain) {
  const File file({"new"});
  EXPECT_EQ(Read("nld", file), "new");
  EXPECT_EQ(file.reads, 2u);
}

TEST(AgreedReading, ItIsReadUntilTwoInARowAgree) {
  EXPECT_EQ(Read("new", File({"nld", "new", "Zew", "Zwe"})), "Zwe");
}

TEST(AgreedReading, AFileThatNeverRestsIsReadSomeTimesOnly) {
  std::vector<std::string> all;
  for (char c = 'a'; c <= 'z'; ++c) all.push_back({c, c, c});
  const File file(all);
  EXPECT_EQ(Read("old", file), all[kMostReadsOfARoot - 2]);
  EXPECT_EQ(file.reads, static_cast<std::size_t>(kMostReadsOfARoot - 1));
}

TEST(AgreedReading, AnErrorIsOne) { Read("old", File({"nld", "error"}), EIO); }

}  // namespace
}  // namespace instar::vmm
