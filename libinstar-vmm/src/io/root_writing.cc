#include "io/root_writing.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace instar::vmm {
namespace {

// Errors that say that this call, or O_DIRECT at this alignment, cannot be had.
bool IsRefusal(int error) { return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL; }

// 0, or an errno. A write of less than all is an error: what follows would be a second write.
int WriteOnce(int fd, std::span<const std::byte> data, std::uint64_t offset, bool durable) {
  iovec vector = {.iov_base = const_cast<std::byte*>(data.data()), .iov_len = data.size()};
  ssize_t count = 0;
  do {
    count = durable ? pwritev2(fd, &vector, 1, static_cast<off_t>(offset), RWF_DSYNC)
                    : pwritev(fd, &vector, 1, static_cast<off_t>(offset));
  } while (count < 0 && errno == EINTR);
  if (count < 0) return errno;
  return static_cast<std::size_t>(count) == data.size() ? 0 : EIO;
}

int WriteAndFlush(int fd, std::span<const std::byte> data, std::uint64_t offset) {
  if (const int error = WriteOnce(fd, data, offset, /*durable=*/false)) return error;
  return fdatasync(fd) == 0 ? 0 : errno;
}

int WriteDurably(int fd, std::span<const std::byte> data, std::uint64_t offset, bool durable) {
  const int error = WriteOnce(fd, data, offset, durable);
  return durable && IsRefusal(error) ? WriteAndFlush(fd, data, offset) : error;
}

}  // namespace

IoResult WriteRootBytes(const IoFile& file, std::uint64_t offset, std::span<const std::byte> data,
                        bool durable) {
  alignas(kDirectAlignment) std::array<std::byte, kMaxRootBytes> page;
  const auto done = [&](int error) {
    return IoResult{.os_errno = error, .offset = offset, .on_target = true};
  };
  if (file.direct_fd >= 0) {
    // The smallest sector is tried first, so that as few other bytes as can be are written again.
    for (const std::uint64_t sector : {std::uint64_t{512}, kMaxRootBytes}) {
      const std::uint64_t begin = offset / sector * sector;
      const std::uint64_t end = (offset + data.size() + sector - 1) / sector * sector;
      const std::span<std::byte> whole = std::span(page).first(end - begin);
      const IoResult read = ReadFully({.fd = file.fd}, begin, whole);
      if (!read.ok()) return done(read.os_errno);
      std::ranges::copy(data, whole.begin() + static_cast<std::ptrdiff_t>(offset - begin));
      const int error = WriteDurably(file.direct_fd, whole, begin, durable);
      if (!IsRefusal(error)) return done(error);
    }
  }
  const std::span<std::byte> copy = std::span(page).first(data.size());
  std::ranges::copy(data, copy.begin());
  return done(WriteDurably(file.fd, copy, offset, durable));
}

IoResult SetLengthAsRoot(const IoFile& file, std::uint64_t bytes, bool durable) {
  while (ftruncate(file.fd, static_cast<off_t>(bytes)) != 0) {
    if (errno != EINTR) return {.os_errno = errno, .offset = bytes, .on_target = true};
  }
  if (durable && fdatasync(file.fd) != 0) {
    return {.os_errno = errno, .offset = bytes, .on_target = true};
  }
  return {};
}

bool ReserveBehindEnd(const IoFile& file, std::uint64_t offset, std::uint64_t length) {
  while (fallocate(file.fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                   static_cast<off_t>(length)) != 0) {
    if (errno != EINTR) return false;
    if (IsStopped(file.stop)) {
      errno = ECANCELED;
      return false;
    }
  }
  return true;
}

}  // namespace instar::vmm
