#include <libdeflate.h>

#include "formats/qcow2/compressor.h"

namespace instar::qcow2 {
namespace {

// The level that qemu-img's zlib uses; libdeflate packs a little better at it, and faster.
constexpr int kLevel = 6;

class DeflateCompressor final : public Compressor {
 public:
  explicit DeflateCompressor(libdeflate_compressor* state) : state_(state) {}
  DeflateCompressor(const DeflateCompressor&) = delete;
  DeflateCompressor& operator=(const DeflateCompressor&) = delete;
  ~DeflateCompressor() override { libdeflate_free_compressor(state_); }

  std::size_t Compress(std::span<const std::byte> cluster, std::span<std::byte> out) override {
    return libdeflate_deflate_compress(state_, cluster.data(), cluster.size(), out.data(),
                                       out.size());
  }

 private:
  libdeflate_compressor* state_;
};

}  // namespace

Result<std::unique_ptr<Compressor>> MakeDeflateCompressor() {
  libdeflate_compressor* state = libdeflate_alloc_compressor(kLevel);
  if (state == nullptr) return OverLimit("there is no memory for a deflate compressor");
  return std::make_unique<DeflateCompressor>(state);
}

}  // namespace instar::qcow2
