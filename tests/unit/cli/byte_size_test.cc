#include "cli/byte_size.h"

#include <gtest/gtest.h>

namespace instar::cli {
namespace {

TEST(ByteSize, SuffixesArePowersOf1024) {
  struct Case {
    const char* text;
    std::uint64_t bytes;
  };
  const Case kCases[] = {
      {"0", 0},
      {"1", 1},
      {"4096", 4096},
      {"1b", 1},
      {"1B", 1},
      {"4k", 4096},
      {"4K", 4096},
      {"1.5k", 1536},
      {"1.5G", 3ull << 29},
      {"0.5M", 512 << 10},
      {"1.k", 1024},
      {"1.", 1},
      {"0x1000", 4096},
      {"2m", 2 << 20},
      {"3T", 3ull << 40},
      {"1P", 1ull << 50},
      {"7E", 7ull << 60},
      {" 1", 1},
      {"+1", 1},
      {"9223372036854775807", 9223372036854775807ull},
  };
  for (const Case& c : kCases) {
    const auto bytes = ParseByteSize(c.text, "size");
    ASSERT_TRUE(bytes) << c.text << ": " << bytes.error();
    EXPECT_EQ(*bytes, c.bytes) << c.text;
  }
}

TEST(ByteSize, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "x", "-1", "1x", "1kk", "1ki", "0.3", "1.5b", ".5k", "1e3", "k",
                           "1 k", "0x", "0x10k", "1,5k", "nan"}) {
    const auto bytes = ParseByteSize(text, "rate limit");
    ASSERT_FALSE(bytes) << text;
    EXPECT_EQ(
        bytes.error(),
        "Invalid rate limit specified. You may use k, M, G, T, P or E suffixes for kilobytes, "
        "megabytes, gigabytes, terabytes, petabytes and exabytes.")
        << text;
  }
}

TEST(ByteSize, WhatDoesNotFitInto63BitsIsRefused) {
  for (const char* text :
       {"8E", "9E", "9223372036854775808", "99999999999999999999999", "0x8000000000000000"}) {
    const auto bytes = ParseByteSize(text, "rate limit");
    ASSERT_FALSE(bytes) << text;
    EXPECT_EQ(bytes.error(),
              "Invalid rate limit specified. Must be between 0 and 9223372036854775807.")
        << text;
  }
}

TEST(ByteSize, NumbersAreReadInThreeBasesAndBounded) {
  EXPECT_EQ(ParseNumber("16", "number of coroutines", 1, 16), 16u);
  EXPECT_EQ(ParseNumber(" 3", "number of coroutines", 1, 16), 3u);
  EXPECT_EQ(ParseNumber("0x3", "number of coroutines", 1, 16), 3u);
  EXPECT_EQ(ParseNumber("010", "number of coroutines", 1, 16), 8u);
  for (const char* text : {"0", "17", "x", "", "1k", "-1"}) {
    const auto number = ParseNumber(text, "number of coroutines", 1, 16);
    ASSERT_FALSE(number) << text;
    EXPECT_EQ(number.error(),
              "Invalid number of coroutines. Allowed number of coroutines is between 1 and 16");
  }
}

TEST(ByteSize, DecimalNumbersAreDigitsAndBounded) {
  EXPECT_EQ(ParseDecimal("1", "compression level", 1, 9), 1u);
  EXPECT_EQ(ParseDecimal("09", "compression level", 1, 9), 9u);
  for (const char* text : {"0", "10", "x", "", "+3", " 3", "3 ", "0x3", "-1", "3k"}) {
    const auto number = ParseDecimal(text, "compression level", 1, 9);
    ASSERT_FALSE(number) << text;
    EXPECT_EQ(number.error(),
              "Invalid compression level. Allowed compression level is between 1 and 9");
  }
}

// What qemu-img 7.2 prints for these sizes.
TEST(ByteSize, HumanSizesHaveThreeSignificantDigits) {
  struct Case {
    std::uint64_t bytes;
    const char* text;
  };
  const Case kCases[] = {
      {0, "0 B"},
      {512, "512 B"},
      {1024, "1 KiB"},
      {1536, "1.5 KiB"},
      {10240, "10 KiB"},
      {102400, "100 KiB"},
      {1022976, "999 KiB"},
      {1023488, "1e+03 KiB"},
      {1048064, "1 MiB"},
      {1048576, "1 MiB"},
      {16973824, "16.2 MiB"},
      {999999488, "954 MiB"},
      {1073741312, "1 GiB"},
      {123456789504, "115 GiB"},
      {1099511627264, "1 TiB"},
      {1125899906842624, "1 PiB"},
      {~std::uint64_t{0}, "16 EiB"},
  };
  for (const Case& c : kCases) EXPECT_EQ(HumanByteSize(c.bytes), c.text) << c.bytes;
}

TEST(ByteSize, FileLengthsAreToldInWholeSectors) {
  EXPECT_EQ(WholeSectors(0), 0u);
  EXPECT_EQ(WholeSectors(1), 512u);
  EXPECT_EQ(WholeSectors(512), 512u);
  EXPECT_EQ(WholeSectors(196672), 197120u);
}

}  // namespace
}  // namespace instar::cli
