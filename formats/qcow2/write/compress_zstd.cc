#include "formats/codec/codecs.h"
#include "formats/qcow2/write/compressor.h"

namespace instar::qcow2 {
namespace {

class ZstdCompressor final : public Compressor {
 public:
  ZstdCompressor(const ZstdEncoder& encoder, void* state) : encoder_(encoder), state_(state) {}
  ZstdCompressor(const ZstdCompressor&) = delete;
  ZstdCompressor& operator=(const ZstdCompressor&) = delete;
  ~ZstdCompressor() override { encoder_.free(state_); }

  std::size_t Compress(std::span<const std::byte> cluster, std::span<std::byte> out) override {
    return encoder_.encode(state_, cluster.data(), cluster.size(), out.data(), out.size());
  }

 private:
  const ZstdEncoder& encoder_;
  void* state_;
};

}  // namespace

Result<std::unique_ptr<Compressor>> MakeZstdCompressor(unsigned cluster_bits, unsigned level) {
  const ZstdEncoder* const encoder = FindZstdEncoder();
  if (encoder == nullptr) return Unsupported("this run has no zstd compressor");
  ZstdEncoder::Refusal refusal;
  void* const state = encoder->make(cluster_bits, level, &refusal);
  if (state != nullptr) return std::make_unique<ZstdCompressor>(*encoder, state);
  if (refusal.parameter == 0) return OverLimit("there is no memory for a zstd compressor");
  return Unsupported("the zstd library refuses compression parameter {0} = {1}",
                     static_cast<std::uint64_t>(refusal.parameter),
                     static_cast<std::uint64_t>(refusal.value));
}

}  // namespace instar::qcow2
