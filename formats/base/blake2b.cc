#include "formats/base/blake2b.h"

#include <algorithm>
#include <bit>

#include "formats/base/endian.h"

namespace instar {
namespace {

constexpr std::array<std::uint64_t, 8> kStart = {
    0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
    0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179};

constexpr std::uint8_t kOrder[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                         {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                         {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                         {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                         {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                         {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                         {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                         {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                         {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                         {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

constexpr int kRounds = 12;

inline void Mix(std::uint64_t& a, std::uint64_t& b, std::uint64_t& c, std::uint64_t& d,
                std::uint64_t x, std::uint64_t y) {
  a += b + x;
  d = std::rotr(d ^ a, 32);
  c += d;
  b = std::rotr(b ^ c, 24);
  a += b + y;
  d = std::rotr(d ^ a, 16);
  c += d;
  b = std::rotr(b ^ c, 63);
}

}  // namespace

Blake2b::Blake2b(std::size_t digest_bytes) : state_(kStart) {
  state_[0] ^= 0x01010000 ^ digest_bytes;
}

void Blake2b::Compress(std::span<const std::byte> block, bool last) {
  std::uint64_t m[16];
  for (std::size_t i = 0; i < 16; ++i) m[i] = LoadLe64(block, 8 * i);
  std::uint64_t v[16];
  for (std::size_t i = 0; i < 8; ++i) {
    v[i] = state_[i];
    v[i + 8] = kStart[i];
  }
  v[12] ^= count_;
  if (last) v[14] = ~v[14];
  for (int round = 0; round < kRounds; ++round) {
    const std::uint8_t* s = kOrder[round % 10];
    Mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
    Mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
    Mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
    Mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
    Mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
    Mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
    Mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
    Mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
  }
  for (std::size_t i = 0; i < 8; ++i) state_[i] ^= v[i] ^ v[i + 8];
}

void Blake2b::Add(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (filled_ == kBlockBytes) {
      count_ += kBlockBytes;
      Compress(block_, false);
      filled_ = 0;
    }
    // Whole blocks that are not the last need no copy.
    while (filled_ == 0 && bytes.size() > kBlockBytes) {
      count_ += kBlockBytes;
      Compress(bytes.first(kBlockBytes), false);
      bytes = bytes.subspan(kBlockBytes);
    }
    const std::size_t part = std::min(bytes.size(), kBlockBytes - filled_);
    std::ranges::copy(bytes.first(part), block_.begin() + filled_);
    filled_ += part;
    bytes = bytes.subspan(part);
  }
}

void Blake2b::AddNumber(std::uint64_t number) {
  std::array<std::byte, 8> bytes{};
  StoreLe64(bytes, 0, number);
  Add(bytes);
}

void Blake2b::AddText(std::string_view text) {
  AddNumber(text.size());
  Add(std::as_bytes(std::span(text)));
}

void Blake2b::Finish(std::span<std::byte> out) {
  std::fill(block_.begin() + filled_, block_.end(), std::byte{0});
  count_ += filled_;
  Compress(block_, true);
  std::array<std::byte, kMaxDigestBytes> digest{};
  for (std::size_t i = 0; i < state_.size(); ++i) StoreLe64(digest, 8 * i, state_[i]);
  std::ranges::copy(std::span(digest).first(out.size()), out.begin());
}

}  // namespace instar
