#include "formats/vmdk/zlib_stream.h"

#include <algorithm>

namespace instar::vmdk {

std::uint32_t Adler32(std::span<const std::byte> bytes) {
  constexpr std::uint32_t kModulus = 65521;
  constexpr std::size_t kMostBeforeOverflow = 5552;
  std::uint32_t a = 1;
  std::uint32_t b = 0;
  while (!bytes.empty()) {
    const auto block = bytes.first(std::min(bytes.size(), kMostBeforeOverflow));
    for (const std::byte byte : block) {
      a += static_cast<std::uint32_t>(byte);
      b += a;
    }
    a %= kModulus;
    b %= kModulus;
    bytes = bytes.subspan(block.size());
  }
  return b << 16 | a;
}

}  // namespace instar::vmdk
