// The strategy is fixed to "dfast", which is what zstd's level 3 (qemu-img's) chooses for clusters
// of every size: so only that match finder is ever reached, and the others can be left out of a
// guest image.
#include <zstd.h>

#include <algorithm>

#include "formats/qcow2/compressor.h"

namespace instar::qcow2 {
namespace {

constexpr int kLevel = 3;

class ZstdCompressor final : public Compressor {
 public:
  explicit ZstdCompressor(ZSTD_CCtx* state) : state_(state) {}
  ZstdCompressor(const ZstdCompressor&) = delete;
  ZstdCompressor& operator=(const ZstdCompressor&) = delete;
  ~ZstdCompressor() override { ZSTD_freeCCtx(state_); }

  std::size_t Compress(std::span<const std::byte> cluster, std::span<std::byte> out) override {
    const std::size_t bytes =
        ZSTD_compress2(state_, out.data(), out.size(), cluster.data(), cluster.size());
    return ZSTD_isError(bytes) != 0 ? 0 : bytes;
  }

 private:
  ZSTD_CCtx* state_;
};

}  // namespace

Result<std::unique_ptr<Compressor>> MakeZstdCompressor(unsigned cluster_bits) {
  ZSTD_CCtx* state = ZSTD_createCCtx();
  if (state == nullptr) return OverLimit("there is no memory for a zstd compressor");
  auto compressor = std::make_unique<ZstdCompressor>(state);
  const struct {
    ZSTD_cParameter parameter;
    int value;
  } settings[] = {
      {ZSTD_c_compressionLevel, kLevel},
      {ZSTD_c_strategy, ZSTD_dfast},
      {ZSTD_c_windowLog, std::max(static_cast<int>(cluster_bits), 10)},
      {ZSTD_c_checksumFlag, 0},
  };
  for (const auto& setting : settings) {
    if (ZSTD_isError(ZSTD_CCtx_setParameter(state, setting.parameter, setting.value)) != 0) {
      return Unsupported("the zstd library refuses compression parameter {0} = {1}",
                         static_cast<std::uint64_t>(setting.parameter),
                         static_cast<std::uint64_t>(setting.value));
    }
  }
  return compressor;
}

}  // namespace instar::qcow2
