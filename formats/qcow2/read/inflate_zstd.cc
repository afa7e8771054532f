#include "formats/qcow2/read/inflate_zstd.h"

#include <zstd.h>

#include "formats/base/endian.h"

namespace instar::qcow2 {

void* MakeZstdContext() { return ZSTD_createDCtx(); }

void FreeZstdContext(void* context) { ZSTD_freeDCtx(static_cast<ZSTD_DCtx*>(context)); }

// One cluster may be several frames. Frames written as a stream do not state their content size, so
// the length of each is found from its block headers.
Status InflateZstd(void* context, std::span<const std::byte> compressed, std::span<std::byte> out) {
  while (!out.empty()) {
    // Zstandard's magic number (RFC 8878, 3.1.1). Frames of its drafts, which the library would
    // decode too, have others; nothing ever wrote those into qcow2.
    if (compressed.size() < 4 || LoadLe32(compressed, 0) != 0xFD2FB528) {
      return Corrupt("a compressed cluster is damaged");
    }
    const std::size_t frame = ZSTD_findFrameCompressedSize(compressed.data(), compressed.size());
    if (ZSTD_isError(frame) != 0) return Corrupt("a compressed cluster is damaged");
    const std::size_t produced = ZSTD_decompressDCtx(static_cast<ZSTD_DCtx*>(context), out.data(),
                                                     out.size(), compressed.data(), frame);
    if (ZSTD_isError(produced) != 0) return Corrupt("a compressed cluster is damaged");
    compressed = compressed.subspan(frame);
    out = out.subspan(produced);
  }
  return {};
}

}  // namespace instar::qcow2
