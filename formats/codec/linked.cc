// Hosted builds: every codec is there. In a guest runtime/parts.cc stands in the place of this
// file.
#include "formats/codec/codecs.h"

namespace instar {

const ZstdDecoder* FindZstdDecoder() { return &kZstdDecoder; }
const DeflateEncoder* FindDeflateEncoder() { return &kDeflateEncoder; }
const ZstdEncoder* FindZstdEncoder() { return &kZstdEncoder; }

}  // namespace instar
