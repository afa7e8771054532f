// What a virtual disk holds, for changes of an image that have to copy a little of it.
#ifndef FORMATS_BASE_DISK_CONTENT_H_
#define FORMATS_BASE_DISK_CONTENT_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/error.h"

namespace instar {

// The virtual disk as it reads before the change, backing files and all.
class DiskContent {
 public:
  virtual ~DiskContent() = default;
  // Fills `out` from byte `offset` of the disk; zeros beyond its end. kIo, kCorrupt.
  virtual Status Read(std::uint64_t offset, std::span<std::byte> out) = 0;
};

}  // namespace instar

#endif  // FORMATS_BASE_DISK_CONTENT_H_
