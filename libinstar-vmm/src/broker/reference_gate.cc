#include "broker/reference_gate.h"

#include <absl/strings/str_format.h>
#include <fcntl.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "broker/image_locks.h"
#include "broker/local_path.h"
#include "jail/opener.h"
#include "report/printable_text.h"

namespace instar::vmm {
namespace {

const char* NameOfRole(ReferenceRole role) {
  switch (role) {
    case ReferenceRole::kBacking:
      return "backing file";
    case ReferenceRole::kDataFile:
      return "data file";
    case ReferenceRole::kExtent:
      return "extent";
  }
  return "file";
}

OwnedFd OpenBeneath(int directory, const std::string& path, std::uint64_t flags) {
  return OwnedFd(vmm::OpenBeneath(directory, path.c_str(), flags));
}

std::string RealPath(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(realpath(path.c_str(), nullptr), std::free);
  return real ? std::string(real.get()) : std::string();
}

// `path` made absolute from the working directory, without a look at what it names.
std::string AbsolutePath(const std::string& path) {
  if (path.starts_with('/')) return NormalizePath(path);
  return NormalizePath(RealPath(".") + "/" + path);
}

std::optional<ReferenceRoot> OpenRoot(const std::string& path) {
  OwnedFd fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return std::nullopt;
  return ReferenceRoot{
      .fd = std::move(fd), .given_path = AbsolutePath(path), .real_path = RealPath(path)};
}

}  // namespace

absl::Status ReferenceGate::Open(const ReferencePolicy& policy, DeviceTable& devices) {
  open_ = policy.allow;
  if (!policy.allow) return absl::OkStatus();
  for (const std::string& path : policy.allow_paths) {
    auto root = OpenRoot(path);
    if (!root) {
      return {errno == ENOENT ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument,
              absl::StrFormat("Could not open the directory '%s', in which images may refer to "
                              "files: %s",
                              PrintableText(path), std::strerror(errno))};
    }
    roots_.push_back(*std::move(root));
  }
  for (std::uint32_t i = 0; i < devices.count(); ++i) {
    Device& device = *devices.Find(DeviceId{i});
    if (device.writable) continue;
    const std::string_view part = DirectoryPart(device.path);
    const std::string directory(part.empty() ? "./" : part);
    ReferenceLocation& location = device.location;
    location.relative_path = device.path.substr(part.size());
    location.real_directory = RealPath(directory);
    if (!policy.image_directory) continue;
    // A directory that cannot be opened is not an error: the image may refer to nothing.
    auto root = OpenRoot(directory);
    if (!root) continue;
    root->for_all_images = false;
    location.root = location.home_root = static_cast<int>(roots_.size());
    roots_.push_back(*std::move(root));
  }
  return absl::OkStatus();
}

std::vector<int> ReferenceGate::directories() const {
  std::vector<int> fds;
  fds.reserve(roots_.size());
  for (const ReferenceRoot& root : roots_) fds.push_back(root.fd.get());
  return fds;
}

std::expected<std::unique_ptr<Device>, ReferenceRefusal> ReferenceGate::Follow(
    const DeviceTable& devices, DeviceId parent_id, std::string_view name,
    ReferenceRole role) const {
  const Device& parent = *devices.Find(parent_id);
  const std::string shown = PrintableText(name.substr(0, PATH_MAX));
  const auto refuse = [&](ErrorCode code, int error, std::string_view why) {
    return std::unexpected(ReferenceRefusal{
        .code = code,
        .os_errno = error,
        .line = absl::StrFormat("Could not open '%s': Could not open %s: %s",
                                PrintableText(parent.path), NameOfRole(role), why)});
  };
  const auto deny = [&](std::string_view why) {
    return refuse(ErrorCode::kDenied, EACCES, absl::StrFormat("'%s' %s", shown, why));
  };
  constexpr std::string_view kOutside =
      "is outside the directories that this image may refer to (--allow-path allows more)";

  if (!open_) return deny("may not be opened: references to other files are not allowed");
  if (const char* why = WhyNotPlainPath(name)) return deny(why);
  if (parent.writable) return deny("may not be opened: the file that names it is being written");
  const auto resolved = ResolveReference(parent.location, name, roots_);
  if (!resolved) return deny(kOutside);

  const ReferenceRoot& root = roots_[resolved->root];
  const auto could_not_open = [&](int error) {
    if (error == EXDEV || error == ELOOP) return deny(kOutside);
    return refuse(error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kDenied,
                  error, absl::StrFormat("Could not open '%s': %s", shown, std::strerror(error)));
  };
  const OwnedFd found = OpenBeneath(root.fd.get(), resolved->relative_path, O_PATH | O_CLOEXEC);
  if (!found.valid()) return could_not_open(errno);
  struct stat status{};
  if (FileStatus(found.get(), &status) != 0) return could_not_open(errno);
  if (!S_ISREG(status.st_mode)) return deny("is not a regular file");
  const FileIdentity identity = {.device = status.st_dev, .inode = status.st_ino};

  for (DeviceId ancestor = parent_id; ancestor != kNoDevice;) {
    const Device& device = *devices.Find(ancestor);
    if (device.identity == identity) {
      return deny("is already part of this chain: the images refer to each other in a circle");
    }
    ancestor = device.parent;
  }
  for (std::uint32_t i = 0; i < devices.count(); ++i) {
    const Device& device = *devices.Find(DeviceId{i});
    if (device.writable && device.identity == identity) return deny("is the file being written");
  }

  const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  OwnedFd fd = OpenBeneath(root.fd.get(), resolved->relative_path, flags);
  if (!fd.valid()) return could_not_open(errno);
  if (FileStatus(fd.get(), &status) != 0) return could_not_open(errno);
  if (!S_ISREG(status.st_mode) ||
      identity != FileIdentity{.device = status.st_dev, .inode = status.st_ino}) {
    return deny("changed while it was being opened");
  }
  const LockWish wish = parent.force_share ? kSharedReadLock : kReadLock;
  if (const auto failure = TakeLocks(fd.get(), wish, name)) {
    return refuse(ErrorCode::kDenied, EAGAIN, *failure);
  }

  auto device = std::make_unique<Device>();
  device->path = CombinePath(parent.path, name);
  if (parent.direct_fd.valid()) {
    OwnedFd direct = OpenBeneath(root.fd.get(), resolved->relative_path, flags | O_DIRECT);
    if (direct.valid() && FileStatus(direct.get(), &status) == 0 &&
        identity == FileIdentity{.device = status.st_dev, .inode = status.st_ino}) {
      device->direct_fd = std::move(direct);
    }
  }
  device->fd = std::move(fd);
  device->identity = identity;
  device->force_share = parent.force_share;
  device->cache = parent.cache;
  device->parent = parent_id;
  device->location = {.root = static_cast<int>(resolved->root),
                      .home_root = parent.location.home_root,
                      .relative_path = resolved->relative_path,
                      .real_directory = root.real_path};
  return device;
}

}  // namespace instar::vmm
