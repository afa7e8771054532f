#include "formats/qcow2/read/decompressor.h"

#include <gtest/gtest.h>
#include <libdeflate.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "formats/qcow2/structures/constants.h"

namespace instar::qcow2 {
namespace {

using Bytes = std::vector<std::byte>;

Bytes Pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = std::byte(i * i / 64 % 251);
  return bytes;
}

Bytes Deflate(const Bytes& plain) {
  libdeflate_compressor* const compressor = libdeflate_alloc_compressor(6);
  Bytes out(libdeflate_deflate_compress_bound(compressor, plain.size()));
  out.resize(
      libdeflate_deflate_compress(compressor, plain.data(), plain.size(), out.data(), out.size()));
  libdeflate_free_compressor(compressor);
  return out;
}

// As a stream writer does it: the frame does not state its content size.
Bytes ZstdStream(const Bytes& plain) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  Bytes out(ZSTD_compressBound(plain.size()));
  ZSTD_inBuffer in{plain.data(), plain.size(), 0};
  ZSTD_outBuffer target{out.data(), out.size(), 0};
  EXPECT_EQ(ZSTD_compressStream2(context, &target, &in, ZSTD_e_end), 0U);
  ZSTD_freeCCtx(context);
  out.resize(target.pos);
  EXPECT_EQ(ZSTD_getFrameContentSize(out.data(), out.size()), ZSTD_CONTENTSIZE_UNKNOWN);
  return out;
}

Bytes Padded(Bytes bytes, std::size_t garbage) {
  bytes.resize(bytes.size() + garbage, std::byte{0xA5});
  return bytes;
}

class Qcow2Decompressor : public testing::TestWithParam<std::uint8_t> {
 protected:
  static Bytes Compress(const Bytes& plain) {
    return GetParam() == kCompressionZstd ? ZstdStream(plain) : Deflate(plain);
  }
  Decompressor decompressor_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(All, Qcow2Decompressor,
                         testing::Values(kCompressionZlib, kCompressionZstd),
                         [](const auto& tested) {
                           return tested.param == kCompressionZstd ? "zstd" : "zlib";
                         });

TEST_P(Qcow2Decompressor, InflatesAClusterWhateverFollowsIt) {
  const Bytes plain = Pattern(65536);
  for (const std::size_t garbage : {0, 1, 511, 4096}) {
    Bytes out(plain.size());
    ASSERT_TRUE(decompressor_.Inflate(Padded(Compress(plain), garbage), out)) << garbage;
    EXPECT_EQ(out, plain);
  }
}

TEST_P(Qcow2Decompressor, RefusesAStreamThatInflatesToTooMuchOrTooLittle) {
  for (const std::size_t size : {65535, 65537}) {
    Bytes out(65536);
    const Status status = decompressor_.Inflate(Compress(Pattern(size)), out);
    ASSERT_FALSE(status) << size;
    EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  }
}

TEST_P(Qcow2Decompressor, RefusesATruncatedStream) {
  Bytes compressed = Compress(Pattern(65536));
  compressed.resize(compressed.size() - 8);
  Bytes out(65536);
  EXPECT_EQ(decompressor_.Inflate(compressed, out).error().code, ErrorCode::kCorrupt);
}

TEST_P(Qcow2Decompressor, RefusesGarbageAndRecovers) {
  const Bytes garbage(512, std::byte{0xFF});
  const Bytes plain = Pattern(4096);
  Bytes out(plain.size());
  EXPECT_EQ(decompressor_.Inflate(garbage, out).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(decompressor_.Inflate({}, out).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(decompressor_.Inflate(Compress(plain), out));
  EXPECT_EQ(out, plain);
}

TEST_P(Qcow2Decompressor, MayBeUsedByMoreThreadsThanItKeepsContexts) {
  const Bytes plain = Pattern(16384);
  const Bytes compressed = Compress(plain);
  std::vector<std::thread> threads;
  std::vector<int> wrong(24);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 50; ++round) {
        Bytes out(plain.size());
        if (!decompressor_.Inflate(compressed, out) || out != plain) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::ranges::count(wrong, 0), static_cast<std::ptrdiff_t>(wrong.size()));
}

TEST(Qcow2ZstdDecompressor, AClusterMayBeSeveralFrames) {
  const Bytes plain = Pattern(65536);
  Bytes compressed = ZstdStream({plain.begin(), plain.begin() + 10000});
  const Bytes empty = ZstdStream({});
  compressed.insert(compressed.end(), empty.begin(), empty.end());
  const Bytes rest = ZstdStream({plain.begin() + 10000, plain.end()});
  compressed.insert(compressed.end(), rest.begin(), rest.end());
  Bytes out(plain.size());
  Decompressor decompressor(kCompressionZstd);
  ASSERT_TRUE(decompressor.Inflate(Padded(compressed, 100), out));
  EXPECT_EQ(out, plain);
}

}  // namespace
}  // namespace instar::qcow2
