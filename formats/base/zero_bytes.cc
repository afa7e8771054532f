#include "formats/base/zero_bytes.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace instar {

bool IsZero(std::span<const std::byte> bytes) {
  constexpr std::size_t kBlock = 64;
  while (bytes.size() >= kBlock) {
    std::uint64_t words[kBlock / 8];
    std::memcpy(words, bytes.data(), kBlock);
    std::uint64_t any = 0;
    for (const std::uint64_t word : words) any |= word;
    if (any != 0) return false;
    bytes = bytes.subspan(kBlock);
  }
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace instar
