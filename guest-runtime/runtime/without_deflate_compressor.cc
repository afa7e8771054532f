// Stands in for the deflate compressor in images that never compress with it: the host starts the
// image `convert` where it is wanted.
#include "formats/qcow2/write/compressor.h"

namespace instar::qcow2 {

Result<std::unique_ptr<Compressor>> MakeDeflateCompressor(unsigned) {
  return Unsupported("this guest image has no deflate compressor");
}

}  // namespace instar::qcow2
