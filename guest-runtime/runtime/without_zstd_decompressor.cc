// Stands in for the zstd decompressor in images that make zstd clusters and read every format, or
// make them densely.
#include "formats/qcow2/read/inflate_zstd.h"

namespace instar::qcow2 {

// Refusing takes no memory.
void* MakeZstdContext() {
  static char nothing;
  return &nothing;
}

void FreeZstdContext(void*) {}

Status InflateZstd(void*, std::span<const std::byte>, std::span<std::byte>) {
  return Unsupported(
      "zstd clusters cannot become zstd clusters in one step beside images of other formats, nor "
      "at "
      "compression levels from 5 on; convert without -c first");
}

}  // namespace instar::qcow2
