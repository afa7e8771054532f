#include <gtest/gtest.h>
#include <libdeflate.h>

#include <algorithm>
#include <random>
#include <vector>

#include "formats/qcow2/write/compressor.h"

namespace instar::qcow2 {
namespace {

constexpr std::size_t kCluster = 65536;
using Bytes = std::vector<std::byte>;

Bytes Noise(std::size_t size) {
  std::minstd_rand random(7);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() >> 16);
  return bytes;
}

// Words in no order.
Bytes Text(std::size_t size) {
  std::minstd_rand random(3);
  Bytes bytes;
  while (bytes.size() < size) {
    const std::uint32_t word = random() % 997;
    for (std::uint32_t i = 0, letters = 2 + word % 7; i < letters; ++i) {
      bytes.push_back(static_cast<std::byte>('a' + word * (i + 3) % 26));
    }
    bytes.push_back(std::byte{' '});
  }
  bytes.resize(size);
  return bytes;
}

// What `cluster` becomes with room for `room` bytes; it must inflate to the same again.
std::size_t Compress(const Bytes& cluster, std::size_t room, unsigned level) {
  const auto compressor = MakeDeflateCompressor(level);
  EXPECT_TRUE(compressor.has_value());
  Bytes packed(room);
  packed.resize((*compressor)->Compress(cluster, packed));
  if (packed.empty()) return 0;
  libdeflate_decompressor* const state = libdeflate_alloc_decompressor();
  Bytes inflated(cluster.size());
  EXPECT_EQ(libdeflate_deflate_decompress(state, packed.data(), packed.size(), inflated.data(),
                                          inflated.size(), nullptr),
            LIBDEFLATE_SUCCESS);
  libdeflate_free_decompressor(state);
  EXPECT_EQ(inflated, cluster);
  return packed.size();
}

TEST(Qcow2Deflate, HigherLevelsPackTighter) {
  const Bytes text = Text(kCluster);
  const std::size_t fastest = Compress(text, kCluster - 1, kMinCompressionLevel);
  const std::size_t tightest = Compress(text, kCluster - 1, kMaxCompressionLevel);
  EXPECT_GT(fastest, 0U);
  EXPECT_LT(tightest, fastest);
}

TEST(Qcow2Deflate, NoiseDoesNotFitIntoLess) {
  EXPECT_EQ(Compress(Noise(kCluster), kCluster - 1, kDefaultDeflateLevel), 0U);
}

TEST(Qcow2Deflate, NoiseIsStoredWhereThereIsRoom) {
  EXPECT_GT(Compress(Noise(kCluster), kCluster + 100, kDefaultDeflateLevel), kCluster);
}

TEST(Qcow2Deflate, EvenlyDistributedBytesThatRepeatAreCompressed) {
  Bytes counting(kCluster);
  for (std::size_t i = 0; i < counting.size(); ++i) counting[i] = static_cast<std::byte>(i);
  EXPECT_LT(Compress(counting, kCluster - 1, kDefaultDeflateLevel), kCluster / 16);

  Bytes repeating = Noise(1500);
  while (repeating.size() < kCluster) {
    repeating.insert(repeating.end(), repeating.begin(), repeating.begin() + 1500);
  }
  repeating.resize(kCluster);
  EXPECT_LT(Compress(repeating, kCluster - 1, kDefaultDeflateLevel), kCluster / 8);
}

TEST(Qcow2Deflate, ATextAmongNoiseIsCompressed) {
  Bytes mixed = Noise(kCluster);
  const Bytes text = Text(kCluster / 4);
  std::ranges::copy(text, mixed.begin() + kCluster / 2);
  const std::size_t packed = Compress(mixed, kCluster - 1, kDefaultDeflateLevel);
  EXPECT_GT(packed, 0U);
}

TEST(Qcow2Deflate, SmallClustersAreAlwaysTried) {
  EXPECT_EQ(Compress(Noise(512), 511, kDefaultDeflateLevel), 0U);
  EXPECT_GT(Compress(Text(512), 511, kDefaultDeflateLevel), 0U);
}

TEST(Qcow2Deflate, LevelsHaveBounds) {
  EXPECT_FALSE(CompressionLevel(0).has_value());
  EXPECT_EQ(CompressionLevel(1).value(), 1U);
  EXPECT_EQ(CompressionLevel(9).value(), 9U);
  EXPECT_FALSE(CompressionLevel(10).has_value());
  EXPECT_FALSE(CompressionLevel(std::uint64_t{1} << 32).has_value());
}

}  // namespace
}  // namespace instar::qcow2
