#include <zstd.h>

#include <span>

#include "formats/base/endian.h"
#include "formats/codec/codecs.h"

namespace instar {
namespace {

// Frames written as a stream do not state their content size, so the length of each is found from
// its block headers.
bool Decode(void* context, const std::byte* in, std::size_t in_bytes, std::byte* out,
            std::size_t out_bytes) {
  std::span compressed(in, in_bytes);
  std::span content(out, out_bytes);
  while (!content.empty()) {
    // Zstandard's magic number (RFC 8878, 3.1.1). Frames of its drafts, which the library would
    // decode too, have others; nothing ever wrote those into an image.
    if (compressed.size() < 4 || LoadLe32(compressed, 0) != 0xFD2FB528) return false;
    const std::size_t frame = ZSTD_findFrameCompressedSize(compressed.data(), compressed.size());
    if (ZSTD_isError(frame) != 0) return false;
    const std::size_t produced = ZSTD_decompressDCtx(
        static_cast<ZSTD_DCtx*>(context), content.data(), content.size(), compressed.data(), frame);
    if (ZSTD_isError(produced) != 0) return false;
    compressed = compressed.subspan(frame);
    content = content.subspan(produced);
  }
  return true;
}

}  // namespace

constinit const ZstdDecoder kZstdDecoder = {
    .make = []() -> void* { return ZSTD_createDCtx(); },
    .free = [](void* context) { ZSTD_freeDCtx(static_cast<ZSTD_DCtx*>(context)); },
    .decode = Decode,
};

}  // namespace instar
