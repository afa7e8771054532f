#include "io/output_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "io/file_status.h"

namespace instar::vmm {
namespace {

// What an unprivileged process may ask for by default.
constexpr int kPipeBytes = 1 << 20;

// Never written; untouched zero-initialized memory costs no storage.
alignas(4096) std::array<std::byte, std::size_t{1} << 20> zeros;

}  // namespace

OutputStream::OutputStream(int fd) : fd_(fd) {
  struct stat status{};
  splices_ = FileStatus(fd, &status) == 0 && S_ISFIFO(status.st_mode);
  if (splices_) fcntl(fd, F_SETPIPE_SZ, kPipeBytes);
}

bool OutputStream::Again(int error) const {
  if (error == EINTR) return true;
  if (error != EAGAIN) return false;
  pollfd ready{.fd = fd_, .events = POLLOUT, .revents = 0};
  return poll(&ready, 1, -1) > 0 || errno == EINTR;
}

IoResult OutputStream::Failed(int error) const {
  return {.os_errno = error, .offset = position(), .on_target = true};
}

IoResult OutputStream::Append(std::span<const std::byte> data) {
  while (!data.empty()) {
    if (IsStopped(stop_)) return Failed(ECANCELED);
    const ssize_t n = write(fd_, data.data(), data.size());
    if (n > 0) {
      data = data.subspan(static_cast<std::size_t>(n));
      position_.fetch_add(static_cast<std::uint64_t>(n), std::memory_order_release);
    } else if (n == 0) {
      return Failed(ENOSPC);
    } else if (const int error = errno; !Again(error)) {
      return Failed(error);
    }
  }
  return {};
}

IoResult OutputStream::FillLocked(std::uint64_t end) {
  if (end < position()) return Failed(ESPIPE);
  while (position() < end) {
    const std::size_t piece = std::min<std::uint64_t>(end - position(), zeros.size());
    const IoResult result = Append(std::span(zeros).first(piece));
    if (!result.ok()) return result;
  }
  return {};
}

IoResult OutputStream::Fill(std::uint64_t end) {
  const std::lock_guard lock(mutex_);
  return FillLocked(end);
}

IoResult OutputStream::Write(std::uint64_t offset, std::span<const std::byte> data) {
  const std::lock_guard lock(mutex_);
  const IoResult filled = FillLocked(offset);
  return filled.ok() ? Append(data) : filled;
}

IoResult OutputStream::Splice(std::uint64_t offset, int source_fd, std::uint64_t source_offset,
                              std::uint64_t length, std::uint64_t& moved) {
  moved = 0;
  const std::lock_guard lock(mutex_);
  const IoResult filled = FillLocked(offset);
  if (!filled.ok()) return filled;
  while (splices_ && moved < length) {
    if (IsStopped(stop_)) return Failed(ECANCELED);
    auto from = static_cast<off64_t>(source_offset + moved);
    const std::size_t piece = std::min<std::uint64_t>(length - moved, zeros.size());
    const ssize_t n = splice(source_fd, &from, fd_, nullptr, piece, SPLICE_F_MORE);
    if (n > 0) {
      moved += static_cast<std::uint64_t>(n);
      position_.fetch_add(static_cast<std::uint64_t>(n), std::memory_order_release);
    } else if (n == 0) {
      break;  // the end of the source
    } else if (const int error = errno; error == EINVAL) {
      splices_ = false;  // not from such a file
    } else if (!Again(error)) {
      return Failed(error);
    }
  }
  return {};
}

}  // namespace instar::vmm
