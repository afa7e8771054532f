// The byte form of ImageSource: one field of 64-bit words, first what concerns the whole, then five
// for each image from the top. Header-only: host and guest use it.
#ifndef INSTAR_IMAGE_SOURCE_WIRE_H_
#define INSTAR_IMAGE_SOURCE_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/endian.h"
#include "instar/image_source.h"
#include "instar/wire.h"

namespace instar::internal {

inline constexpr std::size_t kSourceHeadBytes = 8;    // whether the chain ends
inline constexpr std::size_t kSourceImageBytes = 40;  // device, format, windowed, offset, size

inline void EncodeSourceImage(const BackingSource& image, std::span<std::byte> out) {
  const RawWindow window = image.window.value_or(RawWindow{});
  StoreLe64(out, 0, static_cast<std::uint32_t>(image.device));
  StoreLe64(out, 8, static_cast<std::uint32_t>(image.format));
  StoreLe64(out, 16, image.window ? 1 : 0);
  StoreLe64(out, 24, window.offset_bytes);
  StoreLe64(out, 32, window.size_bytes);
}

inline BackingSource DecodeSourceImage(std::span<const std::byte> in) {
  BackingSource image{.device = DeviceId{static_cast<std::uint32_t>(LoadLe64(in, 0))},
                      .format = FormatId{static_cast<std::uint32_t>(LoadLe64(in, 8))}};
  if (LoadLe64(in, 16) != 0) {
    image.window = RawWindow{.offset_bytes = LoadLe64(in, 24), .size_bytes = LoadLe64(in, 32)};
  }
  return image;
}

inline void EncodeImageSource(std::uint32_t tag, const ImageSource& source, WireWriter& writer) {
  std::vector<std::byte> bytes(kSourceHeadBytes + (1 + source.backing.size()) * kSourceImageBytes);
  StoreLe64(bytes, 0, source.ends ? 1 : 0);
  std::span<std::byte> rest = std::span(bytes).subspan(kSourceHeadBytes);
  EncodeSourceImage({.device = source.device, .format = source.format, .window = source.window},
                    rest);
  for (const BackingSource& image : source.backing) {
    rest = rest.subspan(kSourceImageBytes);
    EncodeSourceImage(image, rest);
  }
  writer.Bytes(tag, bytes);
}

// A field of the wrong length gives a source without a device.
inline ImageSource DecodeImageSource(const WireField& field) {
  ImageSource source;
  std::span<const std::byte> rest = field.payload;
  if (rest.size() < kSourceHeadBytes + kSourceImageBytes ||
      (rest.size() - kSourceHeadBytes) % kSourceImageBytes != 0) {
    return source;
  }
  source.ends = LoadLe64(rest, 0) != 0;
  rest = rest.subspan(kSourceHeadBytes);
  const BackingSource top = DecodeSourceImage(rest);
  source.device = top.device;
  source.format = top.format;
  source.window = top.window;
  for (rest = rest.subspan(kSourceImageBytes); !rest.empty();
       rest = rest.subspan(kSourceImageBytes)) {
    source.backing.push_back(DecodeSourceImage(rest));
  }
  return source;
}

}  // namespace instar::internal

#endif  // INSTAR_IMAGE_SOURCE_WIRE_H_
