// Giving raw images another size.
#include "formats/raw/resizer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/memory_device.h"

namespace instar::raw {
namespace {

class Resized : public testing::Test {
 protected:
  Resized() : device_(1000) { std::ranges::fill(device_.bytes, std::byte{7}); }
  Status To(std::uint64_t bytes, Growth growth = Growth::kOff, const RawWindow& window = {}) {
    return Resize({.format = FormatId::kRaw,
                   .device = &device_,
                   .size_bytes = bytes,
                   .growth = growth,
                   .window = window});
  }
  test::MemoryDevice device_;
};

TEST_F(Resized, TheLengthIsThatOfTheDiskWhateverItIs) {
  ASSERT_TRUE(To(1537));
  ASSERT_EQ(device_.bytes.size(), 1537);
  EXPECT_EQ(std::ranges::count(device_.bytes, std::byte{7}), 1000);
  ASSERT_TRUE(To(3));
  EXPECT_EQ(device_.bytes.size(), 3);
}

TEST_F(Resized, AWindowMovesTheEndOfItsFile) {
  ASSERT_TRUE(To(1024, Growth::kOff, {.offset_bytes = 512}));
  EXPECT_EQ(device_.bytes.size(), 1536);
}

TEST_F(Resized, AWindowWithASizeStays) {
  EXPECT_FALSE(To(1024, Growth::kOff, {.offset_bytes = 0, .size_bytes = 512}));
  EXPECT_EQ(device_.bytes.size(), 1000);
}

TEST_F(Resized, ThereIsNoMetadataToPreallocate) {
  const Status status = To(4096, Growth::kMetadata);
  ASSERT_FALSE(status);
  EXPECT_STREQ(status.error().message, "Unsupported preallocation mode: metadata");
  EXPECT_EQ(device_.bytes.size(), 1000);
}

TEST_F(Resized, NoFileIsLongerThanOffsetsCanTell) {
  EXPECT_FALSE(To(INT64_MAX, Growth::kOff, {.offset_bytes = 1}));
  EXPECT_EQ(device_.bytes.size(), 1000);
}

}  // namespace
}  // namespace instar::raw
