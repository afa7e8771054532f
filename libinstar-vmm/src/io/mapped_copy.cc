#include "io/mapped_copy.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "formats/base/checked.h"

namespace instar::vmm {
namespace {

constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, Linux 5.14; C libraries may not know it
constexpr int kCollapse = 25;       // MADV_COLLAPSE, Linux 6.1
constexpr std::uint64_t kPage = 4096;

// Whether all of `length` bytes were there.
bool ReadAll(int fd, std::uint64_t offset, std::byte* to, std::uint64_t length) {
  while (length > 0) {
    const ssize_t n = pread(fd, to, length, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    to += n;
    offset += static_cast<std::uint64_t>(n);
    length -= static_cast<std::uint64_t>(n);
  }
  return true;
}

}  // namespace

bool IsInMemory(int fd) {
  struct statfs status{};
  return fstatfs(fd, &status) == 0 &&
         (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC);
}

bool MappedCopy::MakeLarge(int fd, std::uint64_t offset) {
  if (!makes_large() || !Map(fd, offset)) return false;
  // A place without any page is not collapsed.
  const bool made =
      madvise(window_, kPage, kPopulateWrite) == 0 && madvise(window_, kLargePage, kCollapse) == 0;
  failures_ = made ? 0 : failures_ + 1;
  return made;
}

bool MappedCopy::CopyLarge(const MappedPiece& piece) {
  const std::uint64_t place = AlignDown(piece.target_offset, kLargePage);
  return MakeLarge(piece.target_fd, place) &&
         ReadAll(piece.source_fd, piece.source_offset, window_ + (piece.target_offset - place),
                 piece.length);
}

bool MappedCopy::Copy(const MappedPiece& piece) {
  for (std::uint64_t done = 0; done < piece.length;) {
    const std::uint64_t at = piece.target_offset + done;
    if (!works_ || !Map(piece.target_fd, at)) return false;
    const std::uint64_t from = at - first_;
    const std::uint64_t part = std::min(piece.length - done, kLargePage - from);
    const std::uint64_t page = AlignDown(from, kPage);
    if (madvise(window_ + page, from + part - page, kPopulateWrite) != 0) {
      if (errno == EINVAL) works_ = false;
      return false;
    }
    if (!ReadAll(piece.source_fd, piece.source_offset + done, window_ + from, part)) return false;
    done += part;
  }
  return true;
}

bool MappedCopy::Map(int fd, std::uint64_t offset) {
  const std::uint64_t first = AlignDown(offset, kLargePage);
  if (window_ != nullptr && fd == fd_ && first == first_) return true;
  if (room_ == nullptr) {
    void* const room =
        mmap(nullptr, kRoomBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return false;
    room_ = static_cast<std::byte*>(room);
  }
  const std::uint64_t unaligned = reinterpret_cast<std::uintptr_t>(room_) % kLargePage;
  void* const window = mmap(room_ + (kLargePage - unaligned), kLargePage, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(first));
  if (window == MAP_FAILED) {
    window_ = nullptr;
    return false;
  }
  window_ = static_cast<std::byte*>(window);
  fd_ = fd;
  first_ = first;
  return true;
}

MappedCopy::~MappedCopy() {
  if (room_ != nullptr) munmap(room_, kRoomBytes);
}

}  // namespace instar::vmm
