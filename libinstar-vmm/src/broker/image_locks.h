// Locks on image files, the same that QEMU takes, so that an image a virtual machine uses is not
// touched and a machine does not start on an image we write.
//
// QEMU locks single bytes of the file: byte 100+n says "I use permission n", byte
// 200+n says "nobody else may use permission n". All locks are shared (read) locks of the open file
// description, which any number of processes can hold; a conflict is found by asking, after taking
// one's own, whether anybody else holds the byte of the opposite kind. Permissions: 0 consistent
// read, 1 write, 2 write unchanged, 3 resize. Seen with strace on qemu-img 7.2:
//   source of convert, info   uses 0;      forbids 1 and 3 (with -U nothing is forbidden)
//   target                    uses 0 1 3;  forbids 1 and 3
// Tested against a real qemu-io that holds the file, in tests/unit/libinstar-vmm/broker.
#ifndef LIBINSTAR_VMM_SRC_BROKER_IMAGE_LOCKS_H_
#define LIBINSTAR_VMM_SRC_BROKER_IMAGE_LOCKS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace instar::vmm {

struct LockWish {
  std::uint32_t uses = 0;     // bit n: permission n
  std::uint32_t forbids = 0;  // bit n: permission n, to others
};
inline constexpr LockWish kReadLock = {.uses = 0b0001, .forbids = 0b1010};
inline constexpr LockWish kSharedReadLock = {.uses = 0b0001, .forbids = 0};
inline constexpr LockWish kWriteLock = {.uses = 0b1011, .forbids = 0b1010};

struct Locking {
  // Set: somebody else uses the file. Why not as qemu-img says it, on two lines: `Failed to get
  // "write" lock` and `Is another process using the image [path]?`.
  std::optional<std::string> conflict;
  // Set: the system has no such locks for this file, or none left. It is used without, so nobody
  // can see that somebody else uses it, and the caller has to say so.
  int os_errno = 0;
};

// Takes the locks on `fd`, to be held until it is closed.
[[nodiscard]] Locking TakeLocks(int fd, LockWish wish, std::string_view path);

// The warning about a file whose Locking::os_errno is set: one line, fit for a terminal.
[[nodiscard]] std::string NoLocksWarning(std::string_view path, int os_errno);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_IMAGE_LOCKS_H_
