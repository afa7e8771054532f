// What a check lets its host see while it goes on.
#include <gtest/gtest.h>

#include "instar/verbs.h"
#include "support/disk_image.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

constexpr DeviceId kImage{1};
constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
constexpr std::uint64_t kL1OffsetAt = 40;  // in the header

void MakeEmpty(FakeHost& host, std::uint64_t size, const char* options) {
  host.AddTarget(kImage);
  HostDevice device = HostDevice::Open(host, kImage).value();
  const auto writer = CreateImage({.format = FormatId::kQcow2,
                                   .virtual_size_bytes = size,
                                   .options = test::Settings(FormatId::kQcow2, options),
                                   .target = &device});
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE((*writer)->Begin().has_value());
  ASSERT_TRUE((*writer)->Finish().has_value());
}

// Makes entry i of the L1 table name an L2 table, of zeros, at first + i * step.
void PutTables(FakeHost& host, unsigned entries, std::uint64_t first, std::uint64_t step) {
  SparseFile& file = host.At(kImage).file;
  Bytes word(8);
  file.Read(kL1OffsetAt, word);
  const std::uint64_t l1 = LoadBe64(word, 0);
  for (unsigned i = 0; i < entries; ++i) {
    StoreBe64(word, 0, first + i * step);
    file.Write(l1 + 8 * std::uint64_t{i}, word);
  }
}

TEST(Check, TheLengthOfAFileThatIsMostlyHoleCostsNothing) {
  FakeHost host;
  MakeEmpty(host, kMiB, "cluster_size=512");
  host.At(kImage).file.Resize(std::uint64_t{1} << 62);
  ASSERT_TRUE(RunCheck(host, {.image = kImage}).has_value());
  EXPECT_LT(host.calls(FakeHost::Call::kRead), 20u);
}

TEST(Check, EachOfManyPassesIsASignOfLifeAtOnce) {
  FakeHost host;
  host.set_max_workers(1);
  MakeEmpty(host, kMiB, "cluster_size=512");
  host.At(kImage).file.Resize(64 * kTiB);
  PutTables(host, 4, 10 * kTiB, 10 * kTiB);
  ASSERT_TRUE(RunCheck(host, {.image = kImage}).has_value());
  EXPECT_EQ(host.calls(FakeHost::Call::kEmit), 6u) << "one for each window, and what is found";
}

TEST(Check, ReadingMuchGivesSignsOfLifeAtOnce) {
  FakeHost host;
  host.set_max_workers(1);  // of two that come at once, one is told
  MakeEmpty(host, 32 * kTiB, "cluster_size=2M");
  host.At(kImage).file.Resize(1024 * kMiB);
  PutTables(host, 64, 256 * kMiB, 2 * kMiB);
  ASSERT_TRUE(RunCheck(host, {.image = kImage}).has_value());
  EXPECT_GE(host.calls(FakeHost::Call::kEmit), 8u) << "one for each 16 MiB of 128";
}

}  // namespace
}  // namespace instar::test
