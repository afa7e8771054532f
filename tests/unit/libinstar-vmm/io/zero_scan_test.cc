#include "io/zero_scan.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace instar::vmm {
namespace {

struct Implementation {
  const char* name;
  internal::IsZeroFunction function;
};

class IsZeroImplementation : public testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override {
    if (GetParam().function == nullptr) GTEST_SKIP() << "this processor has no such vectors";
  }
};

TEST_P(IsZeroImplementation, SeesEveryByteAtEveryLengthAndAlignment) {
  // 0xFF around the piece shows reading too much, a one inside shows reading too little.
  for (std::size_t length = 0; length <= 600; length += length < 140 ? 1 : 37) {
    for (std::size_t start = 0; start < 3; ++start) {
      std::vector<std::byte> memory(length + 8, std::byte{0xFF});
      std::byte* const piece = memory.data() + start;
      std::fill_n(piece, length, std::byte{0});
      ASSERT_TRUE(GetParam().function(piece, length)) << length;
      for (std::size_t i = 0; i < length; ++i) {
        piece[i] = std::byte{1};
        ASSERT_FALSE(GetParam().function(piece, length)) << length << " at " << i;
        piece[i] = std::byte{0};
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, IsZeroImplementation,
                         testing::Values(Implementation{"Words", internal::IsZeroWords()},
                                         Implementation{"Sse2", internal::IsZeroSse2()},
                                         Implementation{"Avx2", internal::IsZeroAvx2()},
                                         Implementation{"Avx512", internal::IsZeroAvx512()}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(IsZero, IsTrueOfNothing) { EXPECT_TRUE(IsZero({})); }

TEST(FirstDifference, FindsItWhereverItIs) {
  for (const std::size_t size : {1, 4095, 4096, 4097, 10'000}) {
    std::vector<std::byte> a(size, std::byte{7});
    std::vector<std::byte> b = a;
    EXPECT_EQ(FirstDifference(a, b), std::nullopt);
    for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
      b[at] = std::byte{8};
      EXPECT_EQ(FirstDifference(a, b), at);
      b[at] = std::byte{7};
    }
  }
}

TEST(FirstDifference, ThereIsNoneBetweenNothing) {
  EXPECT_EQ(FirstDifference({}, {}), std::nullopt);
}

}  // namespace
}  // namespace instar::vmm
