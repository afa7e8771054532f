// One extent of a VMDK disk, with the file it stands in.
#ifndef FORMATS_VMDK_DISK_EXTENT_H_
#define FORMATS_VMDK_DISK_EXTENT_H_

#include <cstdint>

#include "formats/base/block_device.h"
#include "formats/vmdk/descriptor.h"
#include "formats/vmdk/sparse_header.h"

namespace instar::vmdk {

struct DiskExtent {
  ExtentLine line;
  std::uint64_t start_bytes = 0;  // on the virtual disk
  std::uint64_t length_bytes = 0;
  // Null until it is attached, and always where the extent has no file.
  const BlockDevice* device = nullptr;
  SparseHeader header{};  // kSparse: of the file, once it is attached
  bool embedded = false;  // the image file is the extent

  [[nodiscard]] std::uint64_t end_bytes() const { return start_bytes + length_bytes; }
  [[nodiscard]] bool has_file() const {
    return line.type != ExtentType::kZero && line.access != ExtentAccess::kNone;
  }
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_DISK_EXTENT_H_
