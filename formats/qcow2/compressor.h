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

// Levels of deflate: 1 is fastest, 9 packs best. At the default, text, sources, logs, programs and
// file systems come out no larger than with qemu-img, which looks for repetitions no further than
// 4 KiB away; 6 saves 1 to 10 % more and takes up to three times as long.
inline constexpr unsigned kMinDeflateLevel = 1;
inline constexpr unsigned kMaxDeflateLevel = 9;
inline constexpr unsigned kDefaultDeflateLevel = kMinDeflateLevel;

// The level that a user asked for. kInvalidArgument where there is none such.
inline Result<unsigned> DeflateLevel(std::uint64_t wanted) {
  if (wanted < kMinDeflateLevel || wanted > kMaxDeflateLevel) {
    return InvalidArgument("the compression level must be between {0} and {1}, not {2}",
                           kMinDeflateLevel, kMaxDeflateLevel, wanted);
  }
  return static_cast<unsigned>(wanted);
}

// Raw deflate (what the format calls zlib). kLimit when memory is short.
Result<std::unique_ptr<Compressor>> MakeDeflateCompressor(unsigned level = kDefaultDeflateLevel);

// zstd for clusters of 1 << `cluster_bits` bytes. Stands alone in its source file so that an image
// which never compresses with it need not link the zstd compressor.
Result<std::unique_ptr<Compressor>> MakeZstdCompressor(unsigned cluster_bits);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_COMPRESSOR_H_
