// What else a file is than the image it is said to be.
#ifndef FORMATS_OTHER_SIGNATURES_H_
#define FORMATS_OTHER_SIGNATURES_H_

#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/signatures.h"

namespace instar {

// Every signature of a disk image that `device` carries: at its start, and at its end. There the
// cookie of a VHD footer or of Apple's trailer is enough, wherever some reader looks for it. kIo.
Result<std::vector<Signature>> FindSignatures(const BlockDevice& device);

// What a firmware or a mount command would find in the bytes of the file itself.
struct DiskStructure {
  const char* found;  // the message of a reason
  std::uint64_t offset = 0;
};

// Boot sector, GPT, ISO 9660 and UDF in the bytes of the file. In a raw image or a fixed VHD they
// are the disk's; in any other image they are a second disk. kIo.
Result<std::vector<DiskStructure>> FindDiskStructures(const BlockDevice& device);

}  // namespace instar

#endif  // FORMATS_OTHER_SIGNATURES_H_
