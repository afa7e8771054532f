#include "formats/vmdk/zlib_stream.h"

#include <libdeflate.h>

namespace instar::vmdk {

std::uint32_t Adler32(std::span<const std::byte> bytes) {
  constexpr std::uint32_t kStart = 1;
  return libdeflate_adler32(kStart, bytes.data(), bytes.size());
}

}  // namespace instar::vmdk
