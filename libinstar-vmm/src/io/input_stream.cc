#include "io/input_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace instar::vmm {
namespace {

// What an unprivileged process may ask for by default.
constexpr int kPipeBytes = 1 << 20;

}  // namespace

IoResult ReadStream(int fd, std::uint64_t offset, std::span<std::byte> out, std::size_t& bytes,
                    const RunStop* stop) {
  bytes = 0;
  while (bytes < out.size()) {
    if (IsStopped(stop)) return {.os_errno = ECANCELED, .offset = offset + bytes};
    const ssize_t n = read(fd, out.data() + bytes, out.size() - bytes);
    if (n > 0) {
      bytes += static_cast<std::size_t>(n);
    } else if (n == 0) {
      break;
    } else if (errno == EAGAIN) {
      pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
      if (poll(&ready, 1, -1) < 0 && errno != EINTR) {
        return {.os_errno = errno, .offset = offset + bytes};
      }
    } else if (errno != EINTR) {
      return {.os_errno = errno, .offset = offset + bytes};
    }
  }
  return {};
}

InputStream::InputStream(int fd) : fd_(fd) { fcntl(fd, F_SETPIPE_SZ, kPipeBytes); }

IoResult InputStream::Fetch(std::uint64_t offset, std::uint64_t max_length, std::uint64_t& length) {
  const std::lock_guard lock(mutex_);
  if (offset == position()) {
    const std::span<std::byte> room = buffer_.Get();
    if (room.empty()) return {.os_errno = ENOMEM, .offset = offset};
    std::size_t bytes = 0;
    const IoResult result = ReadStream(fd_, offset, room, bytes, stop_);
    if (!result.ok()) return result;
    piece_ = room.first(bytes);
    position_.fetch_add(bytes, std::memory_order_release);
  } else if (PieceLocked(offset, max_length).empty()) {
    return {.os_errno = ESPIPE, .offset = offset};
  }
  length = PieceLocked(offset, max_length).size();
  return {};
}

InputStream::Held InputStream::Hold(std::uint64_t offset, std::uint64_t length) {
  std::unique_lock lock(mutex_);
  const std::span<const std::byte> bytes = PieceLocked(offset, length);
  return {.lock = std::move(lock), .bytes = bytes};
}

std::span<const std::byte> InputStream::PieceLocked(std::uint64_t offset,
                                                    std::uint64_t length) const {
  const std::uint64_t end = position();
  const std::uint64_t start = end - piece_.size();
  if (offset < start || offset >= end) return {};
  return piece_.subspan(offset - start, std::min(length, end - offset));
}

}  // namespace instar::vmm
