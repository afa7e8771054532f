#include "io/io_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace instar::vmm {
namespace {

// In one call, so that the end of the run is seen between two.
constexpr std::size_t kMaxPerCall = std::size_t{16} << 20;

bool Aligned(const void* memory, std::uint64_t offset, std::size_t length) {
  return ((reinterpret_cast<std::uintptr_t>(memory) | offset | length) & (kDirectAlignment - 1)) ==
         0;
}

// The descriptor to use for one request.
int Choose(const IoFile& file, const void* memory, std::uint64_t offset, std::size_t length) {
  return file.direct_fd >= 0 && Aligned(memory, offset, length) ? file.direct_fd : file.fd;
}

IoResult Stopped(std::uint64_t offset) { return {.os_errno = ECANCELED, .offset = offset}; }

std::size_t TotalBytes(std::span<const iovec> vectors) {
  std::size_t bytes = 0;
  for (const iovec& vector : vectors) bytes += vector.iov_len;
  return bytes;
}

// Drops `bytes` from the front; what is left.
std::span<iovec> Advance(std::span<iovec> vectors, std::size_t bytes) {
  while (!vectors.empty() && bytes >= vectors.front().iov_len) {
    bytes -= vectors.front().iov_len;
    vectors = vectors.subspan(1);
  }
  if (!vectors.empty()) {
    vectors.front().iov_base = static_cast<std::byte*>(vectors.front().iov_base) + bytes;
    vectors.front().iov_len -= bytes;
  }
  return vectors;
}

}  // namespace

PartialRead ReadUpToEnd(const IoFile& file, std::uint64_t offset, std::span<std::byte> out) {
  std::size_t done = 0;
  bool direct_works = true;
  while (done < out.size()) {
    if (IsStopped(file.stop)) return {.result = Stopped(offset + done), .bytes = done};
    std::byte* const at = out.data() + done;
    const std::size_t length = std::min(out.size() - done, kMaxPerCall);
    const int fd = direct_works ? Choose(file, at, offset + done, length) : file.fd;
    const ssize_t n = pread(fd, at, length, static_cast<off_t>(offset + done));
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n == 0) {
      break;
    } else if (errno == EINVAL && fd == file.direct_fd) {
      direct_works = false;
    } else if (errno != EINTR) {
      return {.result = {.os_errno = errno, .offset = offset + done}, .bytes = done};
    }
  }
  return {.result = {}, .bytes = done};
}

IoResult ReadFully(const IoFile& file, std::uint64_t offset, std::span<std::byte> out) {
  const PartialRead read = ReadUpToEnd(file, offset, out);
  if (read.result.ok() && read.bytes < out.size()) {
    std::memset(out.data() + read.bytes, 0, out.size() - read.bytes);
  }
  return read.result;
}

IoResult WriteFully(const IoFile& file, std::uint64_t offset, std::span<const std::byte> data) {
  if (file.output != nullptr) return file.output->Write(offset, data);
  std::size_t done = 0;
  bool direct_works = true;
  while (done < data.size()) {
    if (IsStopped(file.stop)) return Stopped(offset + done);
    const std::byte* const at = data.data() + done;
    const std::size_t length = std::min(data.size() - done, kMaxPerCall);
    const int fd = direct_works ? Choose(file, at, offset + done, length) : file.fd;
    const ssize_t n = pwrite(fd, at, length, static_cast<off_t>(offset + done));
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n < 0 && errno == EINVAL && fd == file.direct_fd) {
      direct_works = false;
    } else if (n == 0 || errno != EINTR) {
      // A write that moves nothing and says no reason has no room.
      return {.os_errno = n == 0 ? ENOSPC : errno, .offset = offset + done, .on_target = true};
    }
  }
  return {};
}

IoResult ReadVector(const IoFile& file, std::uint64_t offset, std::span<iovec> vectors) {
  if (vectors.size() == 1 || file.direct_fd >= 0 || TotalBytes(vectors) > kMaxPerCall) {
    for (const iovec& vector : vectors) {
      const IoResult result =
          ReadFully(file, offset, {static_cast<std::byte*>(vector.iov_base), vector.iov_len});
      if (!result.ok()) return result;
      offset += vector.iov_len;
    }
    return {};
  }
  while (!vectors.empty()) {
    if (IsStopped(file.stop)) return Stopped(offset);
    const ssize_t n = preadv(file.fd, vectors.data(), static_cast<int>(vectors.size()),
                             static_cast<off_t>(offset));
    if (n > 0) {
      vectors = Advance(vectors, static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    } else if (n == 0) {
      for (const iovec& vector : vectors) std::memset(vector.iov_base, 0, vector.iov_len);
      break;
    } else if (errno != EINTR) {
      return {.os_errno = errno, .offset = offset};
    }
  }
  return {};
}

IoResult WriteVector(const IoFile& file, std::uint64_t offset, std::span<iovec> vectors) {
  if (vectors.size() == 1 || file.direct_fd >= 0 || file.output != nullptr ||
      TotalBytes(vectors) > kMaxPerCall) {
    for (const iovec& vector : vectors) {
      const IoResult result = WriteFully(
          file, offset, {static_cast<const std::byte*>(vector.iov_base), vector.iov_len});
      if (!result.ok()) return result;
      offset += vector.iov_len;
    }
    return {};
  }
  while (!vectors.empty()) {
    if (IsStopped(file.stop)) return Stopped(offset);
    const ssize_t n = pwritev(file.fd, vectors.data(), static_cast<int>(vectors.size()),
                              static_cast<off_t>(offset));
    if (n > 0) {
      vectors = Advance(vectors, static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    } else if (n == 0 || errno != EINTR) {
      return {.os_errno = n == 0 ? ENOSPC : errno, .offset = offset, .on_target = true};
    }
  }
  return {};
}

}  // namespace instar::vmm
