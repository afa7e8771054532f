// The wrapper around the deflate streams of compressed grains (RFC 1950): two bytes before, the
// Adler-32 of the content after.
#ifndef FORMATS_VMDK_ZLIB_STREAM_H_
#define FORMATS_VMDK_ZLIB_STREAM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/endian.h"

namespace instar::vmdk {

inline constexpr std::size_t kZlibHeaderBytes = 2;
inline constexpr std::size_t kAdlerBytes = 4;

// Deflate with a window of 32 KiB, default level, no dictionary.
inline constexpr std::array kZlibHeader = {std::byte{0x78}, std::byte{0x9C}};

// Whether `stream` begins as a deflate stream without a dictionary does.
[[nodiscard]] inline bool HasZlibHeader(std::span<const std::byte> stream) {
  if (stream.size() < kZlibHeaderBytes) return false;
  const std::uint32_t header = LoadBe16(stream, 0);
  return (header >> 8 & 0x0F) == 8 && header % 31 == 0 && (header & 0x20) == 0;
}

[[nodiscard]] std::uint32_t Adler32(std::span<const std::byte> bytes);

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_ZLIB_STREAM_H_
