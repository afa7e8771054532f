// Copies into a file in memory, mapped.
//
// Most of the work of writing to a file in memory is to find storage for it, page by page, under a
// lock of the file: one processor at a time, while the others wait in a loop. There are two ways
// around that for storage that is mapped.
//
// Where all of a large page (2 MiB) is copied, the kernel is asked to collapse its place into one:
// 512 pages are found, cleared and accounted at once. (2.5 GiB on two processors: written 0.95 s,
// by large pages 0.40 s.) Elsewhere pages are fetched one by one, but without that lock. By itself
// that is a little slower than writing, as pages are cleared first; where one worker writes and the
// others map, it is faster than each of both (all write 0.95 s, all map 1.1 s, one of each 0.80 s;
// writing where nobody else is writing, else mapping, is no faster than writing).
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
  static constexpr std::uint64_t kLargePage = std::uint64_t{2} << 20;
  // Below this it is not worth the calls to map.
  static constexpr std::uint64_t kLeastBytes = std::uint64_t{64} << 10;

  MappedCopy() = default;
  ~MappedCopy();
  MappedCopy(const MappedCopy&) = delete;
  MappedCopy& operator=(const MappedCopy&) = delete;

  // A part of the target stays mapped after each of these: a descriptor has to stand for one file
  // as long as this lives. The target has to reach beyond the place already.

  // Makes the place at `offset`, a multiple of kLargePage, one large page; what it holds remains.
  // False if that did not work: it may have become a page longer in storage.
  bool MakeLarge(int fd, std::uint64_t offset);
  // Copies to somewhere in such a place, all of which is made one. False if that was not possible,
  // or not all of the piece could be read; then what lies where it goes is not determined.
  bool CopyLarge(const MappedPiece& piece);
  // Copies any piece. False likewise.
  bool Copy(const MappedPiece& piece);

  // Whether there is a point in trying: not after many attempts in a row have failed, as they do
  // where unused memory is in small pieces, or where the kernel cannot do that (before Linux 6.1).
  [[nodiscard]] bool makes_large() const { return failures_ < kMostFailures; }

 private:
  static constexpr int kMostFailures = 4;
  static constexpr std::uint64_t kRoomBytes = 2 * kLargePage;

  // Makes the window hold `offset` of the file.
  bool Map(int fd, std::uint64_t offset);

  bool works_ = true;  // the kernel has what it takes
  int failures_ = 0;   // to make large pages, in a row
  int fd_ = -1;
  std::uint64_t first_ = 0;      // offset of the window in the file
  std::byte* room_ = nullptr;    // where the window can lie at a multiple of its size
  std::byte* window_ = nullptr;  // of kLargePage; null while the room is empty
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_MAPPED_COPY_H_
