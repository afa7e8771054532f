#include <libdeflate.h>

#include "formats/codec/codecs.h"

namespace instar {

constinit const DeflateEncoder kDeflateEncoder = {
    .make = [](unsigned level) -> void* {
      return libdeflate_alloc_compressor(static_cast<int>(level));
    },
    .free =
        [](void* context) {
          libdeflate_free_compressor(static_cast<libdeflate_compressor*>(context));
        },
    .encode =
        [](void* context, const std::byte* in, std::size_t in_bytes, std::byte* out,
           std::size_t out_bytes) {
          return libdeflate_deflate_compress(static_cast<libdeflate_compressor*>(context), in,
                                             in_bytes, out, out_bytes);
        },
};

}  // namespace instar
