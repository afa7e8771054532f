// Inflates clusters compressed with zstd. Apart from the rest of the decompressor so that a guest
// image can do without.
#ifndef FORMATS_QCOW2_READ_INFLATE_ZSTD_H_
#define FORMATS_QCOW2_READ_INFLATE_ZSTD_H_

#include <cstddef>
#include <span>

#include "formats/base/error.h"

namespace instar::qcow2 {

// Working memory for one call at a time; null if there is none.
[[nodiscard]] void* MakeZstdContext();
void FreeZstdContext(void* context);

// Fills `out` exactly. kCorrupt if the stream is damaged.
Status InflateZstd(void* context, std::span<const std::byte> compressed, std::span<std::byte> out);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_READ_INFLATE_ZSTD_H_
