// Telling an image whose metadata was preallocated from one whose clusters were all written.
#ifndef FORMATS_QCOW2_READ_PREALLOCATION_H_
#define FORMATS_QCOW2_READ_PREALLOCATION_H_

#include <cstdint>

#include "formats/base/block_device.h"
#include "formats/base/error.h"

namespace instar::qcow2 {

// Whether the qcow2 image on `device`, whose file occupies `allocated_bytes` of storage, has more
// clusters in use than that storage can hold: then clusters with a place may be holes of the file,
// and map looks. qemu-img judges the same way: more than a ninth above, and by two clusters at
// least. Reads refcounts up to where that is decided.
Result<bool> LooksPreallocated(const BlockDevice& device, std::uint64_t allocated_bytes);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_READ_PREALLOCATION_H_
