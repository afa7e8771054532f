#include <gtest/gtest.h>
#include <zstd.h>

#include <cstdint>
#include <random>
#include <vector>

#include "formats/codec/codecs.h"
#include "formats/qcow2/write/compressor.h"

namespace instar::qcow2 {
namespace {

using Bytes = std::vector<std::byte>;

// Numbered lines, of which some come again: something for every kind of match to find.
Bytes Text(std::size_t size) {
  std::minstd_rand random(5);
  Bytes bytes;
  while (bytes.size() < size) {
    for (const char letter : "line " + std::to_string(random() % 5000) + " of the log: ok\n") {
      bytes.push_back(static_cast<std::byte>(letter));
    }
  }
  bytes.resize(size);
  return bytes;
}

// What `cluster` becomes with room for `room` bytes; it must inflate to the same again.
std::size_t Compress(const Bytes& cluster, unsigned cluster_bits, unsigned level,
                     std::size_t room) {
  const auto compressor = MakeZstdCompressor(cluster_bits, level);
  EXPECT_TRUE(compressor.has_value()) << level;
  if (!compressor) return 0;
  Bytes packed(room);
  packed.resize((*compressor)->Compress(cluster, packed));
  if (packed.empty()) return 0;
  Bytes inflated(cluster.size());
  EXPECT_EQ(ZSTD_decompress(inflated.data(), inflated.size(), packed.data(), packed.size()),
            cluster.size());
  EXPECT_EQ(inflated, cluster) << level;
  return packed.size();
}

TEST(Qcow2Zstd, EveryLevelPacksClustersOfEverySize) {
  for (const unsigned bits : {9U, 12U, 16U, 21U}) {
    const Bytes text = Text(std::size_t{1} << bits);
    for (unsigned level = kMinCompressionLevel; level <= kMaxCompressionLevel; ++level) {
      const std::size_t packed = Compress(text, bits, level, text.size() - 1);
      EXPECT_GT(packed, 0U) << bits << " " << level;
      EXPECT_LT(packed, text.size() * 3 / 4) << bits << " " << level;
    }
  }
}

TEST(Qcow2Zstd, DenseLevelsPackTighter) {
  const Bytes text = Text(65536);
  const std::size_t usual = Compress(text, 16, kDefaultZstdLevel, text.size());
  std::size_t before = usual;
  for (unsigned level = kFirstDenseZstdLevel; level <= kMaxCompressionLevel; ++level) {
    const std::size_t packed = Compress(text, 16, level, text.size());
    EXPECT_LT(packed, usual) << level;
    EXPECT_LE(packed, before + before / 100) << level;
    before = packed;
  }
  EXPECT_LT(before, usual - usual / 20);
}

TEST(Qcow2Zstd, WhatDoesNotGetSmallerHasNoRoom) {
  std::minstd_rand random(7);
  Bytes noise(65536);
  for (std::byte& byte : noise) byte = static_cast<std::byte>(random() >> 16);
  for (const unsigned level : {1U, 3U, 9U}) {
    EXPECT_EQ(Compress(noise, 16, level, noise.size() - 1), 0U) << level;
  }
}

TEST(Qcow2Zstd, TheBytesDoNotDependOnWhatWasCompressedBefore) {
  const Bytes text = Text(65536);
  for (const unsigned level : {1U, 3U, 5U, 9U}) {
    const auto fresh = MakeZstdCompressor(16, level);
    const auto used = MakeZstdCompressor(16, level);
    ASSERT_TRUE(fresh.has_value() && used.has_value());
    Bytes first(text.size());
    Bytes second(text.size());
    (*used)->Compress(Bytes(65536, std::byte{'x'}), second);
    first.resize((*fresh)->Compress(text, first));
    second.resize((*used)->Compress(text, second));
    EXPECT_EQ(first, second) << level;
  }
}

}  // namespace
}  // namespace instar::qcow2
