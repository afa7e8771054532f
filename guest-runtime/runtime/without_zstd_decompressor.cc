// Stands in for the zstd decompressor in images that make zstd clusters and read every format.
#include "formats/qcow2/inflate_zstd.h"

namespace instar::qcow2 {

// Refusing takes no memory.
void* MakeZstdContext() {
  static char nothing;
  return &nothing;
}

void FreeZstdContext(void*) {}

Status InflateZstd(void*, std::span<const std::byte>, std::span<std::byte>) {
  return Unsupported(
      "zstd clusters in a chain with images of other formats cannot become zstd clusters in one "
      "step; convert without -c first");
}

}  // namespace instar::qcow2
