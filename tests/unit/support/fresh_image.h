// Writing an image of one file into memory.
#ifndef TESTS_UNIT_SUPPORT_FRESH_IMAGE_H_
#define TESTS_UNIT_SUPPORT_FRESH_IMAGE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string_view>

#include "formats/base/create_options.h"
#include "formats/create.h"
#include "support/memory_device.h"

namespace instar::test {

inline Result<std::unique_ptr<ImageWriter>> NewImage(FormatId format, MemoryDevice& target,
                                                     std::uint64_t bytes,
                                                     std::string_view options = "") {
  const auto read = CreateOptionList::Read(format, options);
  if (!read) return InvalidArgument("the option list has a fault");
  return CreateImage({.format = format,
                      .virtual_size_bytes = bytes,
                      .options = read->settings(),
                      .target = &target});
}

// Places [offset, offset + length) of the disk and fills it with `value`.
inline void Put(ImageWriter& writer, MemoryDevice& target, std::uint64_t offset,
                std::uint64_t length, std::uint8_t value) {
  while (length != 0) {
    const auto place = writer.PlaceData(offset, length);
    ASSERT_TRUE(place) << place.error().message;
    target.Fill(place->file_offset, place->length_bytes, value);
    offset += place->length_bytes;
    length -= place->length_bytes;
  }
}

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_FRESH_IMAGE_H_
