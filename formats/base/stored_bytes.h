// How many bytes of a file are data, as its file system tells (SEEK_DATA), found out only as far as
// somebody needs to know.
//
// Limits that follow the length of a file mean nothing where the file is sparse: a file of 8 KiB of
// data can be 16 TiB long. Nor do they follow the blocks that the file occupies: compressed data
// occupies fewer. A device that cannot tell its holes counts whole.
#ifndef FORMATS_BASE_STORED_BYTES_H_
#define FORMATS_BASE_STORED_BYTES_H_

#include <cstdint>

#include "formats/base/block_device.h"
#include "formats/base/error.h"

namespace instar {

class StoredBytes {
 public:
  // Goes on counting the data of `device`, always the same one, until there are `wanted` bytes or
  // the file ends. The bytes counted so far. kIo.
  Result<std::uint64_t> CountUpTo(const BlockDevice& device, std::uint64_t wanted);

 private:
  std::uint64_t stored_ = 0;
  std::uint64_t end_ = 0;  // file offset up to which data was counted
};

}  // namespace instar

#endif  // FORMATS_BASE_STORED_BYTES_H_
