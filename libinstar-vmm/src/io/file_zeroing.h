// Making a stretch of a file read as zeros, or forgetting it, as cheaply as the file allows.
#ifndef LIBINSTAR_VMM_SRC_IO_FILE_ZEROING_H_
#define LIBINSTAR_VMM_SRC_IO_FILE_ZEROING_H_

#include <cstdint>

#include "io/io_file.h"

namespace instar::vmm {

// [offset, offset+length) reads as zeros afterwards. The file grows if that is beyond its end.
// Tries a hole, then the file system's own zeroing, then writes zeros. Workers may grow the file at
// the same time: it is never shortened.
IoResult ZeroRange(const IoFile& file, std::uint64_t offset, std::uint64_t length);

// Zeros are written: storage is taken for all of it.
IoResult WriteZeros(const IoFile& file, std::uint64_t offset, std::uint64_t length);

// Reserves storage for [offset, offset+length), which lies at or beyond the end of the file; it
// reads as zeros. Writes zeros where the file system cannot reserve.
IoResult ReserveRange(const IoFile& file, std::uint64_t offset, std::uint64_t length);

// The content no longer matters. Never fails: storage that cannot be given back stays.
void DiscardRange(const IoFile& file, std::uint64_t offset, std::uint64_t length);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_FILE_ZEROING_H_
