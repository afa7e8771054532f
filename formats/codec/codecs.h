// The compressors, and zstd's decompressor, as tables of functions.
//
// Together they take more room than a guest image may. So a guest has them as parts (abi/part.h):
// files of their own, of which the host maps those that a run may need. Hosted builds link them.
// Pure code finds them here in either case.
//
// Example: a qcow2 image with zstd clusters is converted to raw. The guest image `convert` finds
// the decoder in the part zstd_in; zstd_out is not there, and FindZstdEncoder gives null.
//
// The decompressor of deflate is no part: it is small (11 KiB), and it keeps a pointer to the code
// that suits the processor, which would be memory of the part's own.
//
// Nothing here keeps state but in the contexts. One context serves one call at a time.
#ifndef FORMATS_CODEC_CODECS_H_
#define FORMATS_CODEC_CODECS_H_

#include <cstddef>
#include <cstdint>

namespace instar {

struct ZstdDecoder {
  void* (*make)();  // null if there is no memory
  void (*free)(void* context);
  // Fills `out` exactly, from one frame or several at the start of `in`. False if the stream is
  // damaged.
  bool (*decode)(void* context, const std::byte* in, std::size_t in_bytes, std::byte* out,
                 std::size_t out_bytes);
};

struct DeflateEncoder {
  void* (*make)(unsigned level);  // 0 stores; null if there is no memory
  void (*free)(void* context);    // null does nothing
  // The compressed length, or 0 if `out` is too small for it.
  std::size_t (*encode)(void* context, const std::byte* in, std::size_t in_bytes, std::byte* out,
                        std::size_t out_bytes);
};

struct ZstdEncoder {
  // A setting that the library does not take.
  struct Refusal {
    int parameter = 0;
    int value = 0;
  };
  // For units of 1 << `unit_bits` bytes. Null if there is no memory, and with `refusal` set where
  // the library refuses one of the settings of `level` (1 to 9).
  void* (*make)(unsigned unit_bits, unsigned level, Refusal* refusal);
  void (*free)(void* context);
  // The compressed length, or 0 if `out` is too small for it.
  std::size_t (*encode)(void* context, const std::byte* in, std::size_t in_bytes, std::byte* out,
                        std::size_t out_bytes);
};

// Levels from this one on take another, far slower, match finder (zstd_encoder.cc).
inline constexpr unsigned kFirstDenseZstdLevel = 5;

// Each in a source file of its own: what links one links its library.
extern const ZstdDecoder kZstdDecoder;
extern const DeflateEncoder kDeflateEncoder;
extern const ZstdEncoder kZstdEncoder;

// Null where this run was given no such part.
[[nodiscard]] const ZstdDecoder* FindZstdDecoder();
[[nodiscard]] const DeflateEncoder* FindDeflateEncoder();
[[nodiscard]] const ZstdEncoder* FindZstdEncoder();

}  // namespace instar

#endif  // FORMATS_CODEC_CODECS_H_
