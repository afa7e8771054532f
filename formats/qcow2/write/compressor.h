// Compression of single clusters. One object a worker; each has its own state.
#ifndef FORMATS_QCOW2_WRITE_COMPRESSOR_H_
#define FORMATS_QCOW2_WRITE_COMPRESSOR_H_

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

// Levels of compression: 1 is fastest, 9 packs best.
inline constexpr unsigned kMinCompressionLevel = 1;
inline constexpr unsigned kMaxCompressionLevel = 9;
// From this one on text, sources, logs, programs and file systems come out no larger than with
// qemu-img, in qcow2 images and in streamOptimized ones; what comes out larger is listed in
// docs/divergences.md. Level 1 takes three quarters of the time, and 7 to 10 % more room.
inline constexpr unsigned kDefaultDeflateLevel = 5;
// qemu-img's.
inline constexpr unsigned kDefaultZstdLevel = 3;

// The level that a user asked for. kInvalidArgument where there is none such.
inline Result<unsigned> CompressionLevel(std::uint64_t wanted) {
  if (wanted < kMinCompressionLevel || wanted > kMaxCompressionLevel) {
    return InvalidArgument("the compression level must be between {0} and {1}, not {2}",
                           kMinCompressionLevel, kMaxCompressionLevel, wanted);
  }
  return static_cast<unsigned>(wanted);
}

// Both: kLimit when memory is short, kUnsupported where this run has no such encoder
// (formats/codec/codecs.h).
//
// Raw deflate (what the format calls zlib).
Result<std::unique_ptr<Compressor>> MakeDeflateCompressor(unsigned level = kDefaultDeflateLevel);
// zstd for clusters of 1 << `cluster_bits` bytes.
Result<std::unique_ptr<Compressor>> MakeZstdCompressor(unsigned cluster_bits,
                                                       unsigned level = kDefaultZstdLevel);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_WRITE_COMPRESSOR_H_
