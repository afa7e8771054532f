#include "io/file_zeroing.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "io/file_status.h"

namespace instar::vmm {
namespace {

// Never written; untouched zero-initialized memory costs no storage.
alignas(kDirectAlignment) std::array<std::byte, std::size_t{256} << 10> zeros;

int Allocate(const IoFile& file, int mode, std::uint64_t offset, std::uint64_t length) {
  while (fallocate(file.fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0) {
    if (errno != EINTR) return errno;
    if (IsStopped(file.stop)) return ECANCELED;
  }
  return 0;
}

// Errors after which another way may work: what the file system or device does not do, or does not
// at this alignment. (EPERM: sealed or append-only; EINVAL: unaligned on a block device.)
bool Refused(int error) {
  return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL || error == ENODEV ||
         error == EPERM;
}

// Grows a regular file to `end` by writing the last byte of the stretch. ftruncate would shorten
// what another worker has meanwhile written beyond.
IoResult GrowTo(const IoFile& file, std::uint64_t end) {
  struct stat status{};
  if (FileStatus(file.fd, &status) != 0)
    return {.os_errno = errno, .offset = end, .on_target = true};
  if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) >= end) return {};
  return WriteFully(file, end - 1, std::span(zeros).first(1));
}

}  // namespace

IoResult WriteZeros(const IoFile& file, std::uint64_t offset, std::uint64_t length) {
  while (length > 0) {
    const std::size_t piece = std::min<std::uint64_t>(length, zeros.size() - offset % 4096);
    const IoResult result = WriteFully(file, offset, std::span(zeros).first(piece));
    if (!result.ok()) return result;
    offset += piece;
    length -= piece;
  }
  return {};
}

IoResult ZeroRange(const IoFile& file, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  if (file.output != nullptr) return WriteZeros(file, offset, length);
  int error = Allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  if (error == 0) return GrowTo(file, offset + length);
  if (Refused(error)) error = Allocate(file, FALLOC_FL_ZERO_RANGE, offset, length);
  if (error == 0) return {};
  if (Refused(error)) return WriteZeros(file, offset, length);
  return {.os_errno = error, .offset = offset, .on_target = true};
}

IoResult ReserveRange(const IoFile& file, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  if (file.output != nullptr) return WriteZeros(file, offset, length);
  const int error = Allocate(file, 0, offset, length);
  if (error == 0) return {};
  if (Refused(error)) return WriteZeros(file, offset, length);
  return {.os_errno = error, .offset = offset, .on_target = true};
}

void DiscardRange(const IoFile& file, std::uint64_t offset, std::uint64_t length) {
  if (length == 0 || file.output != nullptr) return;
  Allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

}  // namespace instar::vmm
