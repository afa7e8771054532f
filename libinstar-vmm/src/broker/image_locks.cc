#include "broker/image_locks.h"

#include <absl/strings/str_format.h>
#include <fcntl.h>

#include <array>
#include <cerrno>

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

// Whether somebody else holds any lock on the byte.
bool HeldByOthers(int fd, off_t byte) {
  struct flock lock = ByteLock(F_WRLCK, byte);
  return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

std::string InUse(std::string_view what, std::string_view path) {
  return absl::StrFormat("%s\nIs another process using the image [%s]?", what, PrintableText(path));
}

}  // namespace

std::optional<std::string> TakeLocks(int fd, LockWish wish, std::string_view path) {
  const auto take = [&](std::uint32_t permissions, off_t base) -> std::optional<std::string> {
    for (std::size_t n = 0; n < kPermissionNames.size(); ++n) {
      if ((permissions >> n & 1) == 0) continue;
      const off_t byte = base + static_cast<off_t>(n);
      struct flock lock = ByteLock(F_RDLCK, byte);
      if (fcntl(fd, F_OFD_SETLK, &lock) == 0) continue;
      // An exclusive lock is nothing QEMU takes, but it means that somebody objects.
      if (errno == EAGAIN || errno == EACCES) {
        return InUse(absl::StrFormat("Failed to lock byte %d", byte), path);
      }
      return std::nullopt;
    }
    return std::nullopt;
  };
  if (auto failure = take(wish.uses, kUseBase)) return failure;
  if (auto failure = take(wish.forbids, kForbidBase)) return failure;

  for (std::size_t n = 0; n < kPermissionNames.size(); ++n) {
    if ((wish.uses >> n & 1) != 0 && HeldByOthers(fd, kForbidBase + static_cast<off_t>(n))) {
      return InUse(absl::StrFormat("Failed to get \"%s\" lock", kPermissionNames[n]), path);
    }
  }
  for (std::size_t n = 0; n < kPermissionNames.size(); ++n) {
    if ((wish.forbids >> n & 1) != 0 && HeldByOthers(fd, kUseBase + static_cast<off_t>(n))) {
      return InUse(absl::StrFormat("Failed to get shared \"%s\" lock", kPermissionNames[n]), path);
    }
  }
  return std::nullopt;
}

}  // namespace instar::vmm
