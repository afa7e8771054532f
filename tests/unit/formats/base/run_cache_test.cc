#include "formats/base/run_cache.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace instar {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

// Of a MiB of data and one of hole, again and again; tells many runs at once and counts how often
// it is asked.
class Striped final : public BlockDevice {
 public:
  explicit Striped(std::uint64_t size, std::uint32_t number = 1) : size_(size), id_(number) {}
  [[nodiscard]] DeviceId id() const override { return DeviceId{id_}; }
  [[nodiscard]] std::uint64_t size_bytes() const override { return size_; }
  Status Read(std::uint64_t, std::span<std::byte>) const override { return {}; }
  Status Write(std::uint64_t, std::span<const std::byte>) override { return {}; }
  Result<std::size_t> NextRuns(std::uint64_t offset, std::uint64_t max_length,
                               std::span<FileRun> runs) const override {
    ++asked;
    if (fails) return MakeError(ErrorCode::kIo, "gone");
    const std::uint64_t end = offset + max_length;
    std::size_t count = 0;
    for (; count < runs.size() && offset < end; ++count) {
      runs[count] = {.length_bytes = std::min(kMiB - offset % kMiB, end - offset),
                     .hole = offset / kMiB % 2 == 1};
      offset += runs[count].length_bytes;
    }
    return count;
  }

  mutable unsigned asked = 0;
  bool fails = false;

 private:
  std::uint64_t size_;
  std::uint32_t id_;
};

void ExpectRun(RunCache& cache, const Striped& file, std::uint64_t offset) {
  const auto run = cache.At(file, offset, UINT64_MAX);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->hole, offset / kMiB % 2 == 1) << offset;
  EXPECT_EQ(run->length_bytes, std::min(kMiB - offset % kMiB, file.size_bytes() - offset));
}

TEST(RunCache, AWalkForwardAsksForMoreAndMoreAtOnce) {
  const Striped file(1024 * kMiB + 512);
  RunCache cache;
  for (std::uint64_t at = 0; at < file.size_bytes(); at += kMiB) ExpectRun(cache, file, at);
  EXPECT_LE(file.asked, 6 + 1024 / 64 + 1U);
}

TEST(RunCache, AWalkBackwardAsksForWhatStandsBefore) {
  const Striped file(1024 * kMiB);
  RunCache cache;
  for (std::uint64_t at = file.size_bytes(); at != 0;) {
    at -= kMiB;
    ExpectRun(cache, file, at + 4096);
  }
  EXPECT_LE(file.asked, 1024 / 64 + 2U);
}

TEST(RunCache, ALookSomewhereElseAsksForOneRun) {
  const Striped file(1024 * kMiB);
  RunCache cache;
  for (const std::uint64_t at : {900, 500, 100, 700}) ExpectRun(cache, file, at * kMiB);
  EXPECT_EQ(file.asked, 4U);
}

TEST(RunCache, FilesAreToldApart) {
  const Striped one(8 * kMiB, 1);
  const Striped other(3 * kMiB / 2, 2);
  RunCache cache;
  ExpectRun(cache, one, kMiB);
  ExpectRun(cache, other, kMiB);
  ExpectRun(cache, one, kMiB);
}

TEST(RunCache, NoMoreIsToldThanAskedFor) {
  const Striped file(8 * kMiB);
  RunCache cache;
  EXPECT_EQ(cache.At(file, 4096, 100)->length_bytes, 100U);
}

TEST(RunCache, AFailureIsToldAndForgotten) {
  Striped file(8 * kMiB);
  RunCache cache;
  ExpectRun(cache, file, 0);
  file.fails = true;
  EXPECT_EQ(cache.At(file, kMiB, 1).error().code, ErrorCode::kIo);
  file.fails = false;
  ExpectRun(cache, file, kMiB);
  ExpectRun(cache, file, 0);
}

}  // namespace
}  // namespace instar
