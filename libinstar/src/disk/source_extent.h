// One stretch of the disk being converted: where its content is to be had.
#ifndef DISK_SOURCE_EXTENT_H_
#define DISK_SOURCE_EXTENT_H_

#include <algorithm>
#include <cstdint>

#include "formats/base/ids.h"

namespace instar::disk {

struct SourceExtent {
  enum class Kind : std::uint32_t {
    kData = 1,        // at file_offset of device; the host moves it
    kZero = 2,        // zeros
    kCompressed = 3,  // part of a compressed unit of a source
    kMemory = 4,      // in the worker's chunk buffer, at its place
    kInherited = 5,   // left to the target's backing file
  };

  Kind kind = Kind::kZero;
  // The source's top layer says nothing here (only asked with a target that has a backing file).
  bool inherited = false;
  bool has_zero_runs = false;  // kData, kMemory: some of it may be left out as zeros
  std::uint32_t source = 0;    // which of the sources
  std::uint32_t depth = 0;     // layer of the source's chain

  std::uint64_t offset = 0;  // on the target's virtual disk
  std::uint64_t length_bytes = 0;

  DeviceId device = kNoDevice;  // kData, kCompressed
  std::uint64_t file_offset = 0;

  // kCompressed
  std::uint64_t unit_offset = 0;  // on the source layer's virtual disk
  std::uint64_t unit_bytes = 0;
  std::uint64_t compressed_bytes = 0;
  std::uint64_t unit_skip = 0;  // bytes of the unit before the piece

  [[nodiscard]] std::uint64_t end() const { return offset + length_bytes; }

  // The part of the piece that starts at virtual `from` (within it), at most `max_length` bytes.
  [[nodiscard]] SourceExtent Part(std::uint64_t from, std::uint64_t max_length) const {
    SourceExtent part = *this;
    const std::uint64_t skip = from - offset;
    part.offset = from;
    part.length_bytes = std::min(length_bytes - skip, max_length);
    if (kind == Kind::kData) part.file_offset += skip;
    if (kind == Kind::kCompressed) part.unit_skip += skip;
    return part;
  }
};

}  // namespace instar::disk

#endif  // DISK_SOURCE_EXTENT_H_
