#include "broker/file_opening.h"

#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "broker/created_file.h"
#include "broker/file_creation.h"
#include "broker/image_locks.h"
#include "broker/local_path.h"
#include "report/printable_text.h"

namespace instar::vmm {
namespace {

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kInvalidArgument;
  }
}

absl::Status CouldNotOpen(const std::string& path, int error) {
  const std::string name = PrintableText(path);
  const char* const hint =
      path == "-" && error == ENOENT ? "; standard input is read by convert and dd only" : "";
  return {CodeOf(error), absl::StrFormat("Could not open '%s': Could not open '%s': %s%s", name,
                                         name, std::strerror(error), hint)};
}

absl::Status CouldNotCreate(const std::string& path, int error) {
  return {CodeOf(error),
          absl::StrFormat("Could not create '%s': %s", PrintableText(path), std::strerror(error))};
}

// OK for files that can be images.
absl::Status CheckKind(const std::string& path, mode_t mode) {
  if (S_ISREG(mode) || S_ISBLK(mode)) return absl::OkStatus();
  const std::string name = PrintableText(path);
  if (S_ISCHR(mode)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "Could not open '%s': '%s' is a character device; an image is a regular file or a block "
        "device",
        name, name));
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "Could not open '%s': 'file' driver requires '%s' to be a regular file", name, name));
}

bool IsDirect(CacheMode cache) {
  return cache == CacheMode::kNone || cache == CacheMode::kDirectsync;
}
int SyncFlag(CacheMode cache) {
  return cache == CacheMode::kWritethrough || cache == CacheMode::kDirectsync ? O_DSYNC : 0;
}

// What is known of an open file goes into a Device. `flags` are those it was opened with.
absl::StatusOr<std::unique_ptr<Device>> Describe(const std::string& path, OwnedFd fd, int flags,
                                                 CacheMode cache) {
  struct stat status{};
  if (FileStatus(fd.get(), &status) != 0) return CouldNotOpen(path, errno);
  if (absl::Status kind = CheckKind(path, status.st_mode); !kind.ok()) return kind;
  auto device = std::make_unique<Device>();
  device->path = path;
  device->cache = cache;
  device->writable = (flags & O_ACCMODE) == O_RDWR;
  device->identity = IdentityOf(status);
  device->owner = status.st_uid;
  if (S_ISBLK(status.st_mode)) {
    device->block_device = true;
    // The same device is the same image, whichever node names it.
    device->identity = {.device = status.st_rdev, .inode = 0};
    if (ioctl(fd.get(), BLKGETSIZE64, &device->block_device_bytes) != 0) {
      return CouldNotOpen(path, errno);
    }
  }
  if (IsDirect(cache)) {
    // Not every file system has O_DIRECT; without it the page cache serves.
    OwnedFd direct(open(path.c_str(), flags | O_DIRECT));
    struct stat direct_status{};
    if (direct.valid() && FileStatus(direct.get(), &direct_status) == 0 &&
        IdentityOf(direct_status) == IdentityOf(status)) {
      device->direct_fd = std::move(direct);
    }
  }
  device->fd = std::move(fd);
  return device;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> OpenSourceFile(const std::string& path, CacheMode cache,
                                                       bool force_share) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return CouldNotOpen(path, errno);
  if (absl::Status kind = CheckKind(path, status.st_mode); !kind.ok()) return kind;
  // O_NONBLOCK: should the file have become a FIFO meanwhile, opening it must not block.
  const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  OwnedFd fd(open(path.c_str(), flags));
  if (!fd.valid()) return CouldNotOpen(path, errno);
  auto device = Describe(path, std::move(fd), flags, cache);
  if (!device.ok()) return device;
  (*device)->force_share = force_share;
  const LockWish wish = force_share ? kSharedReadLock : kReadLock;
  const Locking locking = TakeLocks((*device)->fd.get(), wish, path);
  if (locking.conflict) {
    return absl::FailedPreconditionError(
        absl::StrFormat("Could not open '%s': %s", PrintableText(path), *locking.conflict));
  }
  (*device)->lock_errno = locking.os_errno;
  return device;
}

absl::StatusOr<OpenedTarget> OpenTargetFile(const std::string& path, CacheMode cache, bool keep,
                                            std::span<const FileIdentity> sources) {
  const int flags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | SyncFlag(cache);
  const auto failed = [&](int error) {
    return keep ? CouldNotOpen(path, error) : CouldNotCreate(path, error);
  };
  OpenedTarget target;
  OwnedFd fd;
  if (!keep) {
    auto made = CreateNewFile(path, flags);
    if (made) {
      fd = std::move(made->fd);
      target.created_in = std::move(made->directory);
      target.created_name = std::move(made->name);
      target.created_path = std::move(made->path);
    } else if (made.error() != EEXIST) {
      return failed(made.error());
    }
  }
  if (!fd.valid()) {
    struct stat status{};
    if (stat(path.c_str(), &status) != 0) return failed(errno);
    if (S_ISDIR(status.st_mode)) return failed(EISDIR);
    if (absl::Status kind = CheckKind(path, status.st_mode); !kind.ok()) return kind;
    fd = OwnedFd(open(path.c_str(), flags));
    if (!fd.valid()) return failed(errno);
  }
  struct stat made_status{};
  FileStatus(fd.get(), &made_status);
  const auto give_up = [&](absl::Status status) {
    if (target.created_in.valid()) {
      RemoveIfSame(target.created_in.get(), target.created_name.c_str(), made_status.st_dev,
                   made_status.st_ino);
    }
    return status;
  };

  auto device = Describe(path, std::move(fd), flags, cache);
  if (!device.ok()) return give_up(device.status());
  if (std::ranges::find(sources, (*device)->identity) != sources.end()) {
    return give_up(absl::InvalidArgumentError(absl::StrFormat(
        "'%s' is both the source and the target: an image cannot be made from itself",
        PrintableText(path))));
  }
  (*device)->fresh_reads_zero = !keep && !(*device)->block_device;
  (*device)->in_memory =
      !(*device)->block_device && !(*device)->direct_fd.valid() && IsInMemory((*device)->fd.get());
  if (keep && (*device)->AllocatedBytes() != 0) (*device)->own_bytes = (*device)->SizeBytes();
  const Locking locking = TakeLocks((*device)->fd.get(), kWriteLock, path);
  if (locking.conflict) {
    return give_up(absl::FailedPreconditionError(
        keep ? absl::StrFormat("Could not open '%s': %s", PrintableText(path), *locking.conflict)
             : *locking.conflict));
  }
  (*device)->lock_errno = locking.os_errno;
  target.device = *std::move(device);
  return target;
}

}  // namespace instar::vmm
