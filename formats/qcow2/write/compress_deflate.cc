#include <algorithm>
#include <array>

#include "formats/codec/codecs.h"
#include "formats/qcow2/write/compressor.h"

namespace instar::qcow2 {
namespace {

// Whether the bytes of `cluster`, sampled, are as evenly distributed as those of noise: encrypted,
// or compressed already. The statistic is chi-squared, whose mean for noise is 255 and whose
// standard deviation 23.
bool LooksLikeNoise(std::span<const std::byte> cluster) {
  constexpr std::size_t kSamples = 16;
  constexpr std::size_t kSampleBytes = 512;
  constexpr std::uint64_t kExpected = kSamples * kSampleBytes / 256;
  constexpr std::uint64_t kMostLikely = 400;
  if (cluster.size() < kSamples * kSampleBytes) return false;
  std::array<std::uint16_t, 256> counts{};
  for (std::size_t i = 0; i < kSamples; ++i) {
    const auto sample = cluster.subspan(i * (cluster.size() / kSamples), kSampleBytes);
    for (const std::byte byte : sample) ++counts[std::to_integer<std::uint8_t>(byte)];
  }
  std::uint64_t squares = 0;
  for (const std::uint64_t count : counts) squares += count * count;
  // The sum of (count - expected)^2 / expected.
  return squares / kExpected <= kMostLikely + kSamples * kSampleBytes;
}

class DeflateCompressor final : public Compressor {
 public:
  DeflateCompressor(const DeflateEncoder& encoder, unsigned level)
      : encoder_(encoder), state_(encoder.make(level)), storing_(encoder.make(0)) {}
  DeflateCompressor(const DeflateCompressor&) = delete;
  DeflateCompressor& operator=(const DeflateCompressor&) = delete;
  ~DeflateCompressor() override {
    encoder_.free(state_);
    encoder_.free(storing_);
  }
  [[nodiscard]] bool has_memory() const { return state_ != nullptr && storing_ != nullptr; }

  std::size_t Compress(std::span<const std::byte> cluster, std::span<std::byte> out) override {
    void* const state = IsNoise(cluster, out) ? storing_ : state_;
    return encoder_.encode(state, cluster.data(), cluster.size(), out.data(), out.size());
  }

 private:
  // Finding out that noise does not compress costs as much as compressing. So where it looks like
  // that, two parts are tried: evenly distributed bytes may still repeat.
  bool IsNoise(std::span<const std::byte> cluster, std::span<std::byte> out) {
    constexpr std::size_t kPartBytes = 4096;
    if (cluster.size() < 8 * kPartBytes || !LooksLikeNoise(cluster)) return false;
    const std::size_t room = std::min(out.size(), kPartBytes - 1);
    for (const std::size_t at : {cluster.size() / 4, cluster.size() / 4 * 3}) {
      if (encoder_.encode(state_, cluster.data() + at, kPartBytes, out.data(), room) != 0) {
        return false;
      }
    }
    return true;
  }

  const DeflateEncoder& encoder_;
  void* state_;
  void* storing_;
};

}  // namespace

Result<std::unique_ptr<Compressor>> MakeDeflateCompressor(unsigned level) {
  const DeflateEncoder* const encoder = FindDeflateEncoder();
  if (encoder == nullptr) return Unsupported("this run has no deflate compressor");
  auto compressor = std::make_unique<DeflateCompressor>(*encoder, level);
  if (!compressor->has_memory()) {
    return OverLimit("there is no memory for a deflate compressor");
  }
  return compressor;
}

}  // namespace instar::qcow2
