// Conversions of a part of the source (dd).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libinstar/conversion.h"

namespace instar::test {
namespace {

using ::testing::IsEmpty;

// The bytes of a target that a window of a source gives.
Bytes Window(FakeHost& host, std::uint64_t start, std::uint64_t end) {
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.window_start = start;
  request.window_end = end;
  ExpectConverts(host, request);
  return FileOf(host, kTarget);
}

TEST(ConvertWindow, OnlyTheWindowIsCopiedWhateverItsAlignment) {
  for (const auto& [start, end] : {std::pair<std::uint64_t, std::uint64_t>{0, 100},
                                   {300, 9 * kMiB},
                                   {kCluster + 1, 3 * kMiB + 77},
                                   {2 * kMiB - 3, 2 * kMiB + 3},
                                   {9 * kMiB, 9 * kMiB + 512},
                                   {5, ~std::uint64_t{0}}}) {
    FakeHost host;
    MakeMixedQcow2(host, kSource);
    const Bytes disk = ReadDisk(host, kSource, FormatId::kQcow2);
    const std::uint64_t stop = std::min<std::uint64_t>(end, disk.size());
    Bytes expected(disk.begin() + static_cast<std::ptrdiff_t>(start),
                   disk.begin() + static_cast<std::ptrdiff_t>(stop));
    expected.resize((expected.size() + 511) / 512 * 512);
    EXPECT_EQ(Window(host, start, end), expected) << start << " to " << end;
  }
}

TEST(ConvertWindow, AStartBeyondTheEndGivesNothingAndIsReported) {
  for (const auto& [start, end] :
       {std::pair<std::uint64_t, std::uint64_t>{kMiB + 1, ~std::uint64_t{0}},
        {~std::uint64_t{0}, ~std::uint64_t{0}},
        {2000, 1000}}) {
    FakeHost host;
    MakeRaw(host, kSource, kMiB, {{0, Pattern(1, kMiB)}});
    EXPECT_THAT(Window(host, start, end), IsEmpty());
    EXPECT_EQ(ReportText(host), "{beyond-end: true, unfit-footers: []}");
  }
}

TEST(ConvertWindow, AnEmptyWindowWithinTheDiskIsNoMistake) {
  FakeHost host;
  MakeRaw(host, kSource, kMiB, {{0, Pattern(1, kMiB)}});
  EXPECT_THAT(Window(host, kMiB, ~std::uint64_t{0}), IsEmpty());
  EXPECT_EQ(ReportText(host), "");
}

}  // namespace
}  // namespace instar::test
