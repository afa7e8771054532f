// The figures of a fresh qcow2 file. What they must equal is qemu-img's: those here were told by
// it; tests/conformance/measure.py asks it about many more.
#include "formats/qcow2/write/measurer.h"

#include <gtest/gtest.h>

#include "support/option_settings.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kCluster = 65536;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

std::unique_ptr<ImageMeasurer> MeasurerOf(std::uint64_t size, std::string_view options = {}) {
  auto measurer = Measurer::Create({.format = FormatId::kQcow2,
                                    .virtual_size_bytes = size,
                                    .options = test::Settings(FormatId::kQcow2, options)});
  EXPECT_TRUE(measurer.has_value()) << (measurer ? "" : measurer.error().message);
  return measurer ? *std::move(measurer) : nullptr;
}

TEST(Qcow2Measurer, AnEmptyDiskTakesItsTables) {
  struct Case {
    std::uint64_t size;
    const char* options;
    std::uint64_t required;
    std::uint64_t full;
  };
  for (const Case& c : {
           Case{0, "", 196608, 196608},
           Case{1, "", 327680, 393216},
           Case{kGiB, "", 393216, 1074135040},
           Case{kGiB, "extended_l2=on", 524288, 1074266112},
           Case{kGiB, "preallocation=metadata", 393216, 1074135040},
           Case{kGiB, "preallocation=falloc", 1074135040, 1074135040},
           Case{kGiB, "preallocation=full", 1074135040, 1074135040},
           Case{kGiB, "data_file=x,data_file_raw=on", 393216, 1074135040},
       }) {
    const auto measured = MeasurerOf(c.size, c.options)->Finish();
    ASSERT_TRUE(measured.has_value());
    EXPECT_EQ(measured->required_bytes, c.required) << c.size << ' ' << c.options;
    EXPECT_EQ(measured->fully_allocated_bytes, c.full) << c.size << ' ' << c.options;
    EXPECT_FALSE(measured->bitmap_bytes.has_value());
  }
}

TEST(Qcow2Measurer, EachClusterWithDataCountsOnce) {
  const std::uint64_t empty = MeasurerOf(kGiB)->Finish()->required_bytes;
  const auto measurer = MeasurerOf(kGiB);
  ASSERT_TRUE(measurer->AddData(100, 10));
  ASSERT_TRUE(measurer->AddData(200, 1));                  // the same cluster
  ASSERT_TRUE(measurer->AddData(kCluster - 1, 2));         // its end, and the next
  ASSERT_TRUE(measurer->AddData(5 * kCluster, kCluster));  // exactly one
  EXPECT_EQ(measurer->Finish()->required_bytes, empty + 3 * kCluster);
}

TEST(Qcow2Measurer, DataEverywhereIsTheFullyAllocatedSize) {
  const auto measurer = MeasurerOf(10 * kCluster + 512);
  ASSERT_TRUE(measurer->AddData(0, 10 * kCluster + 512));
  const auto measured = measurer->Finish();
  EXPECT_EQ(measured->required_bytes, measured->fully_allocated_bytes);
}

TEST(Qcow2Measurer, OptionsThatNoImageCanHaveAreRefused) {
  for (const char* options : {"cluster_size=3", "refcount_bits=3", "compat=0.10,refcount_bits=8",
                              "extended_l2=on,cluster_size=4k", "encryption=on"}) {
    EXPECT_FALSE(Measurer::Create({.format = FormatId::kQcow2,
                                   .virtual_size_bytes = kGiB,
                                   .options = test::Settings(FormatId::kQcow2, options)})
                     .has_value())
        << options;
  }
  EXPECT_FALSE(
      Measurer::Create({.format = FormatId::kQcow2, .virtual_size_bytes = std::uint64_t{7} << 60})
          .has_value());
}

}  // namespace
}  // namespace instar::qcow2
