// Copies into a file in memory without its lock.
//
// Who writes to a file holds a lock of it for as long as storage is found and filled: one processor
// at a time, while the others wait in a loop. In memory that is most of the work of a copy. But
// storage that is mapped is found without that lock. So one worker writes, and the others map the
// place and read into the mapping; by itself that is a little slower than writing, as pages are
// cleared first. (2.5 GiB on two processors: both write 0.95 s, both map 1.1 s, one of each 0.80 s.
// Writing where nobody else is writing, else mapping, is no faster than both writing.)
//
// No instruction of this program touches a mapping: pages are fetched and filled by system calls,
// which tell of a failure (no room, a file cut short by others) where an access would end the
// process. Whoever is told so writes, and hears the reason.
#ifndef LIBINSTAR_VMM_SRC_IO_MAPPED_COPY_H_
#define LIBINSTAR_VMM_SRC_IO_MAPPED_COPY_H_

#include <cstddef>
#include <cstdint>

namespace instar::vmm {

// Whether files on the file system of `fd` are nowhere but in memory.
[[nodiscard]] bool IsInMemory(int fd);

struct MappedPiece {
  int source_fd = -1;
  int target_fd = -1;
  std::uint64_t source_offset = 0;
  std::uint64_t target_offset = 0;
  std::uint64_t length = 0;
};

// Of one worker.
class MappedCopy {
 public:
  // Below this it is not worth the calls.
  static constexpr std::uint64_t kLeastBytes = std::uint64_t{64} << 10;

  MappedCopy() = default;
  ~MappedCopy() { Unmap(); }
  MappedCopy(const MappedCopy&) = delete;
  MappedCopy& operator=(const MappedCopy&) = delete;

  // Copies a piece to where the target already reaches. False if that did not work, or not for all
  // of it; then what lies at its place is not determined. A part of the target stays mapped: a
  // descriptor has to stand for one file as long as this lives.
  bool Copy(const MappedPiece& piece);

 private:
  static constexpr std::uint64_t kWindowBytes = std::uint64_t{1} << 20;

  // Makes the window hold `offset` of the file.
  bool Map(int fd, std::uint64_t offset);
  void Unmap();

  bool works_ = true;  // the kernel has what it takes
  int fd_ = -1;
  std::uint64_t first_ = 0;  // offset of the window in the file
  std::byte* window_ = nullptr;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_MAPPED_COPY_H_
