#include "formats/raw/writer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "support/memory_device.h"
#include "support/option_settings.h"

namespace instar::raw {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

// A device of 2 MiB whose every byte is set.
class RawOnADevice : public testing::Test {
 protected:
  RawOnADevice() : device_(2 * kMiB) {
    device_.reads_zero = false;
    std::ranges::fill(device_.bytes, std::byte{0x55});
  }
  Status Begin(std::uint64_t size, std::string_view options = "") {
    const auto writer = Writer::Create({.virtual_size_bytes = size,
                                        .options = test::Settings(FormatId::kRaw, options),
                                        .target = &device_});
    if (!writer) return std::unexpected(writer.error());
    return (*writer)->Begin();
  }
  [[nodiscard]] bool Untouched() const {
    return std::ranges::all_of(device_.bytes, [](std::byte b) { return b == std::byte{0x55}; });
  }
  test::MemoryDevice device_;
};

TEST_F(RawOnADevice, TheFirstSectorIsForgotten) {
  ASSERT_TRUE(Begin(kMiB));
  for (std::uint64_t i = 0; i < 512; ++i) ASSERT_EQ(device_.bytes[i], std::byte{0}) << i;
  EXPECT_EQ(device_.bytes[512], std::byte{0x55});
  EXPECT_EQ(device_.bytes.back(), std::byte{0x55});
}

TEST_F(RawOnADevice, AFooterOfAVhdIsForgotten) {
  const std::uint64_t footer = device_.bytes.size() - 512;
  std::memcpy(device_.bytes.data() + footer, "conectix", 8);
  ASSERT_TRUE(Begin(kMiB));
  for (std::uint64_t i = footer; i < device_.bytes.size(); ++i) {
    ASSERT_EQ(device_.bytes[i], std::byte{0}) << i;
  }
  EXPECT_EQ(device_.bytes[footer - 1], std::byte{0x55});
}

TEST_F(RawOnADevice, WhatIsRefusedChangesNothing) {
  EXPECT_FALSE(Begin(2 * kMiB + 512));
  EXPECT_FALSE(Begin(kMiB, "preallocation=full"));
  EXPECT_FALSE(Begin(kMiB, "preallocation=falloc"));
  EXPECT_TRUE(Untouched());
}

TEST_F(RawOnADevice, ADiskOfNoSizeForgetsNoMoreThanThereIs) {
  ASSERT_TRUE(Begin(0));
  EXPECT_TRUE(Untouched());
}

}  // namespace
}  // namespace instar::raw
