// The map of an image as text: "D4096@8704 Z512 U1024" is data at an offset, zeros, and nothing.
#ifndef TESTS_UNIT_SUPPORT_MAP_TEXT_H_
#define TESTS_UNIT_SUPPORT_MAP_TEXT_H_

#include <string>

#include "formats/base/image_reader.h"

namespace instar::test {

inline std::string MapText(const ImageReader& reader) {
  std::string text;
  const auto cursor = reader.OpenCursor().value();
  for (std::uint64_t at = 0; at < reader.virtual_size_bytes();) {
    const auto extent = cursor->Next(at, reader.virtual_size_bytes() - at);
    if (!text.empty()) text += ' ';
    if (!extent) return text + "error: " + extent.error().message;
    text += extent->kind == ExtentKind::kData ? 'D' : extent->kind == ExtentKind::kZero ? 'Z' : 'U';
    text += std::to_string(extent->length_bytes);
    if (extent->kind == ExtentKind::kData) text += "@" + std::to_string(extent->file_offset);
    at += extent->length_bytes;
  }
  return text;
}

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_MAP_TEXT_H_
