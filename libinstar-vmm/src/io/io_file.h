// Whole reads and writes of an open file: short transfers are continued, interrupted ones repeated,
// bytes beyond the end of the file read as zeros.
//
// A file opened for cache mode none or directsync has a second descriptor with O_DIRECT, which
// wants offset, length and memory aligned to the device's block. Requests that are aligned go
// there, the odd rest (a header, the tail of a file) goes through the page cache, whose coherence
// with direct requests the kernel keeps. A file system that opens with O_DIRECT and then refuses a
// request is served through the page cache too.
//
// Long requests are made of pieces, with a look at the end of the run before each: what is given up
// then fails with ECANCELED.
#ifndef LIBINSTAR_VMM_SRC_IO_IO_FILE_H_
#define LIBINSTAR_VMM_SRC_IO_IO_FILE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/io_result.h"
#include "io/output_stream.h"
#include "io/run_stop.h"

namespace instar::vmm {

// Alignment of memory, offset and length that every O_DIRECT device accepts.
inline constexpr std::uint64_t kDirectAlignment = 4096;

struct IoFile {
  int fd = -1;
  int direct_fd = -1;              // -1: none
  OutputStream* output = nullptr;  // instead of `fd`: what is written goes there
  const RunStop* stop = nullptr;   // looked at before each piece; null: never
};

// Offsets and lengths must end at or below INT64_MAX (callers have checked).
IoResult ReadFully(const IoFile& file, std::uint64_t offset, std::span<std::byte> out);
IoResult WriteFully(const IoFile& file, std::uint64_t offset, std::span<const std::byte> data);

// The same, to and from several pieces of memory that lie one after the other in the file. At most
// kMaxIoVectors pieces. `vectors` is used up.
inline constexpr std::size_t kMaxIoVectors = 64;
IoResult ReadVector(const IoFile& file, std::uint64_t offset, std::span<iovec> vectors);
IoResult WriteVector(const IoFile& file, std::uint64_t offset, std::span<iovec> vectors);

// As ReadFully, but tells how many bytes the file had; the rest of `out` is not touched.
struct PartialRead {
  IoResult result;
  std::size_t bytes = 0;
};
PartialRead ReadUpToEnd(const IoFile& file, std::uint64_t offset, std::span<std::byte> out);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_IO_FILE_H_
