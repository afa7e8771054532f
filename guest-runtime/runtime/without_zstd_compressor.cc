// Stands in for the zstd compressor in images that never compress with it: the host starts the
// image `convert_zstd` where it is wanted.
#include "formats/qcow2/write/compressor.h"

namespace instar::qcow2 {

Result<std::unique_ptr<Compressor>> MakeZstdCompressor(unsigned, unsigned) {
  return Unsupported("this guest image has no zstd compressor");
}

}  // namespace instar::qcow2
