#include "broker/image_locks.h"

#include <absl/strings/str_format.h>
#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "report/printable_text.h"

namespace instar::vmm {
namespace {

constexpr off_t kUseBase = 100;
constexpr off_t kForbidBase = 200;
constexpr std::array<std::string_view, 4> kPermissionNames = {"consistent read", "write",
                                                              "write unchanged", "resize"};

struct flock ByteLock(short type, off_t byte) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

std::string InUse(std::string_view what, std::string_view path) {
  return absl::StrFormat("%s\nIs another process using the image [%s]?", what, PrintableText(path));
}

Locking Conflict(std::string_view what, std::string_view path) {
  return {.conflict = InUse(what, path)};
}

// fcntl(2); 0 or errno.
int LockCall(int fd, int command, struct flock& lock) {
  while (fcntl(fd, command, &lock) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace

Locking TakeLocks(int fd, LockWish wish, std::string_view path) {
  for (const auto& [permissions, base] :
       {std::pair{wish.uses, kUseBase}, std::pair{wish.forbids, kForbidBase}}) {
    for (std::size_t n = 0; n < kPermissionNames.size(); ++n) {
      if ((permissions >> n & 1) == 0) continue;
      const off_t byte = base + static_cast<off_t>(n);
      struct flock lock = ByteLock(F_RDLCK, byte);
      const int error = LockCall(fd, F_OFD_SETLK, lock);
      // An exclusive lock is nothing QEMU takes, but it means that somebody objects.
      if (error == EAGAIN || error == EACCES) {
        return Conflict(absl::StrFormat("Failed to lock byte %d", byte), path);
      }
      if (error != 0) return {.conflict = {}, .os_errno = error};
    }
  }
  // Whether somebody else holds any lock on the byte of the opposite kind.
  struct Question {
    std::uint32_t permissions;
    off_t base;
    const char* how;
  };
  for (const Question& question :
       {Question{wish.uses, kForbidBase, ""}, Question{wish.forbids, kUseBase, "shared "}}) {
    for (std::size_t n = 0; n < kPermissionNames.size(); ++n) {
      if ((question.permissions >> n & 1) == 0) continue;
      struct flock lock = ByteLock(F_WRLCK, question.base + static_cast<off_t>(n));
      const int error = LockCall(fd, F_OFD_GETLK, lock);
      if (error != 0) return {.conflict = {}, .os_errno = error};
      if (lock.l_type == F_UNLCK) continue;
      return Conflict(
          absl::StrFormat("Failed to get %s\"%s\" lock", question.how, kPermissionNames[n]), path);
    }
  }
  return {};
}

std::string NoLocksWarning(std::string_view path, int os_errno) {
  return absl::StrFormat(
      "'%s' cannot be locked (%s): whether another program is using it cannot be seen",
      PrintableText(path), std::strerror(os_errno));
}

}  // namespace instar::vmm
