// Finds the parts that the host mapped for this run.
#include "formats/codec/codecs.h"
#include "instar/abi/part.h"
#include "runtime.h"

namespace instar {
namespace {

// The functions of part `id`. Null if it is not there, or not what this image was built for.
template <typename Functions>
const Functions* Find(instar_part_id id) {
  const auto* const part = reinterpret_cast<const instar_part*>(guest::Boot().parts[id]);
  if (part == nullptr || part->magic != INSTAR_PART_MAGIC || part->version != INSTAR_PART_VERSION ||
      part->id != id || part->size != sizeof(Functions)) {
    return nullptr;
  }
  return static_cast<const Functions*>(part->functions);
}

}  // namespace

const ZstdDecoder* FindZstdDecoder() { return Find<ZstdDecoder>(INSTAR_PART_ZSTD_IN); }
const DeflateEncoder* FindDeflateEncoder() { return Find<DeflateEncoder>(INSTAR_PART_DEFLATE); }
const ZstdEncoder* FindZstdEncoder() { return Find<ZstdEncoder>(INSTAR_PART_ZSTD_OUT); }

}  // namespace instar
