// The one write by which a change in place takes effect.
#ifndef LIBINSTAR_VMM_SRC_IO_ROOT_WRITING_H_
#define LIBINSTAR_VMM_SRC_IO_ROOT_WRITING_H_

#include <cstdint>
#include <span>

#include "io/io_file.h"
#include "io/io_result.h"

namespace instar::vmm {

// Bytes that a root may have, all within so many aligned bytes: what every disk and file system
// takes in one piece of the page cache.
inline constexpr std::uint64_t kMaxRootBytes = 4096;

// Writes `data`, of at most kMaxRootBytes, at `offset` with one system call, which returns when it
// is on stable storage: no other process finds the new root before that. Kernels and file systems
// without such a call get a write and a flush. Not `durable`: the same without a flush.
// With O_DIRECT a sector of the device is written, whose other bytes are as read before.
// It does not look at file.stop: once begun it is not given up.
IoResult WriteRootBytes(const IoFile& file, std::uint64_t offset, std::span<const std::byte> data,
                        bool durable);

// Sets the length of a regular file and, if `durable`, waits until that is on stable storage.
IoResult SetLengthAsRoot(const IoFile& file, std::uint64_t bytes, bool durable);

// Storage for [offset, offset + length) behind the end of a regular file, whose length stays. False
// with errno set where there is none; EOPNOTSUPP where the file system has no such call.
bool ReserveBehindEnd(const IoFile& file, std::uint64_t offset, std::uint64_t length);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_ROOT_WRITING_H_
