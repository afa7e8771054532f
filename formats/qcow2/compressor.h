// Compression of single clusters. One object a worker; each has its own state.
#ifndef FORMATS_QCOW2_COMPRESSOR_H_
#define FORMATS_QCOW2_COMPRESSOR_H_

#include <cstddef>
#include <memory>
#include <span>

#include "formats/base/error.h"

namespace instar::qcow2 {

class Compressor {
 public:
  virtual ~Compressor() = default;

  // Compresses `cluster` into `out`; the compressed length, or 0 if `out` is too small for it.
  virtual std::size_t Compress(std::span<const std::byte> cluster, std::span<std::byte> out) = 0;
};

// Raw deflate (what the format calls zlib). kLimit when memory is short.
Result<std::unique_ptr<Compressor>> MakeDeflateCompressor();

// zstd for clusters of 1 << `cluster_bits` bytes. Stands alone in its source file so that an image
// which never compresses with it need not link the zstd compressor.
Result<std::unique_ptr<Compressor>> MakeZstdCompressor(unsigned cluster_bits);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_COMPRESSOR_H_
