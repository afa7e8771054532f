#include "broker/reference_gate.h"

#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "broker/image_locks.h"
#include "broker/local_path.h"
#include "broker/reference_walk.h"
#include "broker/special_file_system.h"
#include "instar/vmm/notices.h"
#include "io/file_status.h"
#include "report/printable_text.h"

namespace instar::vmm {
namespace {

constexpr const char* kOutside =
    "is outside the directories that this image may refer to (--allow-path allows more)";
constexpr const char* kHidden =
    "has a name on its path that begins with a dot: hidden files and directories are opened only "
    "if --allow-path names them";
constexpr const char* kSpecial = "lies in a special file system such as /proc";
constexpr const char* kOtherOwner =
    "belongs neither to root, nor to the caller, nor to the owner of the image that names it "
    "(--references=any-owner allows it)";
constexpr const char* kUnreadable =
    "may not be read by the owner of an image that leads to it, for whom root will not read it "
    "(give that owner the right, or name a backing file yourself with --image-opts)";
constexpr const char* kNotRegular = "is not a regular file";

// How often symbolic links may lead from one allowed directory to another.
constexpr unsigned kMostLinksElsewhere = 8;

// Stands for every user that a process in a user namespace has no number for.
constexpr uid_t kUnmappedUser = 65534;

// Whether all users have numbers here, so that kUnmappedUser is one of them.
bool AllUsersAreMapped() {
  const int file = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  std::array<char, 256> text{};
  const ssize_t count = read(file, text.data(), text.size() - 1);
  close(file);
  unsigned long inside = 1;
  unsigned long outside = 1;
  unsigned long length = 0;
  return count > 0 && std::sscanf(text.data(), "%lu %lu %lu", &inside, &outside, &length) == 3 &&
         inside == 0 && outside == 0 && length == 0xFFFFFFFF;
}

const char* WhyEnded(WalkEnd end) {
  switch (end) {
    case WalkEnd::kOutside:
      return kOutside;
    case WalkEnd::kHidden:
      return kHidden;
    case WalkEnd::kUnreadable:
      return kUnreadable;
    case WalkEnd::kSpecial:
      return kSpecial;
    case WalkEnd::kError:
      break;
  }
  return nullptr;
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

OwnedFd OpenPath(const std::string& path, int flags) {
  return OwnedFd(open(path.c_str(), O_PATH | O_CLOEXEC | flags));
}

// The directory of a file that the user named, as a root for that file only; nothing, with errno
// set, if it is none.
std::optional<ReferenceRoot> OpenFileRoot(const std::string& path) {
  OwnedFd file = OpenPath(path, 0);
  struct stat status{};
  if (!file.valid() || FileStatus(file.get(), &status) != 0) return std::nullopt;
  if (!S_ISREG(status.st_mode)) {
    errno = ENOTDIR;
    return std::nullopt;
  }
  // Beneath the directory it really lies in, so that its own name and no link is opened.
  const std::string real = RealPath(path);
  const std::string_view directory = DirectoryPart(real);
  OwnedFd fd = OpenPath(std::string(directory), O_DIRECTORY);
  if (!fd.valid()) return std::nullopt;
  const std::string real_directory = NormalizePath(directory);
  return ReferenceRoot{.fd = std::move(fd),
                       .given_path = real_directory,
                       .real_path = real_directory,
                       .only_file = real.substr(directory.size()),
                       .file = std::move(file)};
}

std::optional<ReferenceRoot> OpenNamedRoot(const std::string& path) {
  OwnedFd fd = OpenPath(path, O_DIRECTORY);
  if (!fd.valid()) return errno == ENOTDIR ? OpenFileRoot(path) : std::nullopt;
  return ReferenceRoot{.fd = std::move(fd),
                       .given_path = AbsolutePath(path),
                       .real_path = RealPath(path),
                       .only_file = {},
                       .file = {}};
}

bool IsRootDirectory(int directory) {
  struct stat status{};
  struct stat top{};
  return FileStatus(directory, &status) != 0 || stat("/", &top) != 0 ||
         IdentityOf(status) == IdentityOf(top);
}

// The directory `path` (absolute) and all above it.
std::vector<struct stat> WayTo(std::string path) {
  std::vector<struct stat> way;
  while (true) {
    struct stat status{};
    // Nobody may search what cannot be looked at.
    if (stat(path.c_str(), &status) != 0) status = {};
    way.push_back(status);
    if (path.size() <= 1) return way;
    path.resize(std::max<std::size_t>(path.rfind('/'), 1));
  }
}

// Whether `reader` could read the file in a directory at the end of `way` himself.
bool CouldRead(const FileReader& reader, const std::vector<struct stat>& way,
               const struct stat& file, const AccessList& list) {
  if (!HasRight(reader, FileRight::kRead, file, list)) return false;
  // His own he may have wherever somebody has put it.
  if (file.st_uid == reader.user) return true;
  return !way.empty() && std::ranges::all_of(way, [&](const struct stat& directory) {
    return HasRight(reader, FileRight::kSearch, directory);
  });
}

}  // namespace

ReferenceKind ReferenceKindOf(ReferenceRole role) {
  switch (role) {
    case ReferenceRole::kBacking:
      return ReferenceKind::kBackingFile;
    case ReferenceRole::kDataFile:
      return ReferenceKind::kDataFile;
    case ReferenceRole::kExtent:
      return ReferenceKind::kExtent;
  }
  return ReferenceKind::kBackingFile;
}

// The words in which one reference is refused.
class RefusalText {
 public:
  RefusalText(const Device& parent, std::string_view name, ReferenceRole role)
      : parent_(parent), name_(PrintableText(name.substr(0, PATH_MAX))), role_(role) {}

  [[nodiscard]] std::unexpected<ReferenceRefusal> Refuse(ErrorCode code, int error,
                                                         std::string_view why) const {
    return std::unexpected(
        ReferenceRefusal{.code = code,
                         .os_errno = error,
                         .line = absl::StrFormat("Could not open '%s': Could not open %s: %s",
                                                 PrintableText(parent_.path),
                                                 ReferenceKindName(ReferenceKindOf(role_)), why)});
  }
  [[nodiscard]] std::unexpected<ReferenceRefusal> Deny(std::string_view why) const {
    return Refuse(ErrorCode::kDenied, EACCES, absl::StrFormat("'%s' %s", name_, why));
  }
  [[nodiscard]] std::unexpected<ReferenceRefusal> System(int error) const {
    if (error == EXDEV || error == ELOOP) return Deny(kOutside);
    if (error == EISDIR) return Deny(kNotRegular);
    return Refuse(error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kDenied,
                  error, absl::StrFormat("Could not open '%s': %s", name_, std::strerror(error)));
  }

 private:
  const Device& parent_;
  std::string name_;
  ReferenceRole role_;
};

absl::Status ReferenceGate::Open(const ReferencePolicy& policy, DeviceTable& devices) {
  allowed_ = policy.allowed;
  if (allowed_ == AllowedReferences::kNone) return absl::OkStatus();
  caller_ = geteuid();
  if (absl::Status status = OpenNamedRoots(policy); !status.ok()) return status;
  for (std::uint32_t i = 0; i < devices.count(); ++i) {
    Device& device = *devices.Find(DeviceId{i});
    // What is written anew names nothing yet.
    if (device.writable && !device.edited) continue;
    const std::string_view part = DirectoryPart(device.path);
    device.location.relative_path = device.path.substr(part.size());
    device.location.real_directory = RealPath(part.empty() ? "./" : std::string(part));
    if (policy.image_directory) OpenHomeRoot(device);
    if (device.owner == kUnmappedUser && owners_known_) owners_known_ = AllUsersAreMapped();
  }
  if (caller_ == 0) PrepareReaders(devices);
  return absl::OkStatus();
}

void ReferenceGate::PrepareReaders(const DeviceTable& devices) {
  for (std::uint32_t i = 0; i < devices.count(); ++i) {
    const Device& device = *devices.Find(DeviceId{i});
    const auto is_owner = [&](const FileReader& known) { return known.user == device.owner; };
    if ((device.writable && !device.edited) || device.is_stream() || device.owner == 0) continue;
    if (std::ranges::none_of(known_readers_, is_owner)) {
      known_readers_.push_back(ReaderOf(device.owner));
    }
  }
  // Without them only root's files are opened, unless those of any owner are.
  if (known_readers_.empty() && allowed_ == AllowedReferences::kDirectory) return;
  for (ReferenceRoot& root : roots_) root.way = WayTo(root.real_path);
}

absl::Status ReferenceGate::OpenNamedRoots(const ReferencePolicy& policy) {
  for (const std::string& path : policy.allow_paths) {
    auto root = OpenNamedRoot(path);
    if (!root) {
      return {errno == ENOENT ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument,
              absl::StrFormat("Could not open '%s', in which images may refer to files "
                              "(--allow-path): %s",
                              PrintableText(path), std::strerror(errno))};
    }
    struct stat status{};
    if (FileStatus(root->file.valid() ? root->file.get() : root->fd.get(), &status) == 0) {
      root->named = IdentityOf(status);
    }
    roots_.push_back(*std::move(root));
  }
  return absl::OkStatus();
}

void ReferenceGate::OpenHomeRoot(Device& device) {
  ReferenceLocation& location = device.location;
  const std::string directory(DirectoryPart(device.path));
  // A directory that cannot be opened is not an error: the image may refer to nothing. Nor may one
  // in "/", below which all files of the machine are.
  OwnedFd fd = OpenPath(directory.empty() ? "./" : directory, O_DIRECTORY);
  if (!fd.valid() || IsRootDirectory(fd.get())) return;
  location.root = location.home_root = static_cast<int>(roots_.size());
  roots_.push_back(
      {.fd = std::move(fd),
       .given_path = directory.empty() ? location.real_directory : AbsolutePath(directory),
       .real_path = location.real_directory,
       .for_all_images = false,
       .only_file = {},
       .file = {}});
}

std::vector<int> ReferenceGate::directories() const {
  std::vector<int> fds;
  fds.reserve(roots_.size());
  for (const ReferenceRoot& root : roots_) {
    fds.push_back(root.file.valid() ? root.file.get() : root.fd.get());
  }
  return fds;
}

std::vector<int> ReferenceGate::walked_directories() const {
  std::vector<int> fds;
  fds.reserve(roots_.size());
  for (const ReferenceRoot& root : roots_) fds.push_back(root.fd.get());
  return fds;
}

bool ReferenceGate::IsNamed(const FileIdentity& identity) const {
  return std::ranges::any_of(roots_, [&](const ReferenceRoot& root) {
    return root.for_all_images && root.named == identity;
  });
}

std::vector<FileReader> ReferenceGate::ReadersFor(const DeviceTable& devices,
                                                  DeviceId parent) const {
  std::vector<FileReader> readers;
  if (caller_ != 0) return readers;
  for (DeviceId id = parent; id != kNoDevice; id = devices.Find(id)->parent) {
    const uid_t owner = devices.Find(id)->owner;
    const auto is_owner = [owner](const FileReader& reader) { return reader.user == owner; };
    if (owner == 0 || std::ranges::any_of(readers, is_owner)) continue;
    const auto known = std::ranges::find_if(known_readers_, is_owner);
    readers.push_back(known != known_readers_.end() ? *known
                                                    : FileReader{.user = owner, .groups = {}});
  }
  return readers;
}

const char* ReferenceGate::WhyNotByOwner(const Device& parent, const struct stat& file) const {
  if (allowed_ == AllowedReferences::kAnyOwner) return nullptr;
  if (file.st_uid == 0 || file.st_uid == caller_) return nullptr;
  if (file.st_uid == kUnmappedUser && !owners_known_) return kOtherOwner;
  return file.st_uid == parent.owner ? nullptr : kOtherOwner;
}

std::expected<ReferenceGate::Found, ReferenceRefusal> ReferenceGate::Walk(
    const Device& parent, ResolvedReference where, const WalkRules& rules,
    const RefusalText& refusal) const {
  for (unsigned times = 0; times <= kMostLinksElsewhere; ++times) {
    auto found = WalkBeneath(roots_[where.root].fd.get(), where.relative_path,
                             times == 0 ? rules : WalkRules{rules.is_named, rules.readers});
    if (found) return Found{.file = *std::move(found), .root = where.root};
    const WalkFailure& failure = found.error();
    if (failure.end != WalkEnd::kOutside) {
      const char* why = WhyEnded(failure.end);
      return why != nullptr ? refusal.Deny(why) : refusal.System(failure.os_errno);
    }
    const std::string path = failure.path.starts_with('/')
                                 ? failure.path
                                 : roots_[where.root].real_path + "/" + failure.path;
    auto elsewhere = ResolveReference(parent.location, NormalizePath(path), roots_);
    if (!elsewhere) return refusal.Deny(kOutside);
    if (elsewhere->hidden) return refusal.Deny(kHidden);
    where = *std::move(elsewhere);
  }
  return refusal.System(ELOOP);
}

std::expected<ReferenceGate::Found, ReferenceRefusal> ReferenceGate::Find(
    const DeviceTable& devices, DeviceId parent, const ResolvedReference& where,
    const WalkRules& rules, const RefusalText& refusal) const {
  auto walked = Walk(*devices.Find(parent), where, rules, refusal);
  if (!walked) return walked;
  const FoundFile* const found = &walked->file;
  if (!S_ISREG(found->status().st_mode)) return refusal.Deny(kNotRegular);
  if (IsInSpecialFileSystem(found->fd())) return refusal.Deny(kSpecial);
  if (const char* why = WhyNotByOwner(*devices.Find(parent), found->status())) {
    return refusal.Deny(why);
  }
  const FileIdentity identity = IdentityOf(found->status());
  for (DeviceId ancestor = parent; ancestor != kNoDevice;) {
    const Device& device = *devices.Find(ancestor);
    if (device.identity == identity) {
      return refusal.Deny(
          "is already part of this chain: the images refer to each other in a circle");
    }
    ancestor = device.parent;
  }
  for (std::uint32_t i = 0; i < devices.count(); ++i) {
    const Device& device = *devices.Find(DeviceId{i});
    if (device.writable && device.identity == identity) {
      return refusal.Deny("is the file being written");
    }
  }
  return walked;
}

std::expected<std::unique_ptr<Device>, ReferenceRefusal> ReferenceGate::Follow(
    const DeviceTable& devices, DeviceId parent_id, std::string_view name,
    ReferenceRole role) const {
  const Device& parent = *devices.Find(parent_id);
  const RefusalText refusal(parent, name, role);
  if (allowed_ == AllowedReferences::kNone) {
    return refusal.Deny(
        "may not be opened: references to other files are not allowed "
        "(--references=directory allows them)");
  }
  if (const char* why = WhyNotPlainPath(name)) return refusal.Deny(why);
  if (parent.writable && !parent.edited) {
    return refusal.Deny("may not be opened: the file that names it is being written");
  }
  const auto resolved = ResolveReference(parent.location, name, roots_);
  if (!resolved) return refusal.Deny(kOutside);
  const bool own_part = IsOwnHiddenPart(parent.location, *resolved, role);
  if (resolved->hidden && !own_part) return refusal.Deny(kHidden);
  const std::vector<FileReader> readers = ReadersFor(devices, parent_id);
  const auto walked =
      Find(devices, parent_id, *resolved,
           {.is_named = [this](const FileIdentity& identity) { return IsNamed(identity); },
            .readers = readers,
            .last_may_be_hidden = own_part},
           refusal);
  if (!walked) return std::unexpected(walked.error());
  const FoundFile* const found = &walked->file;

  const int flags = O_RDONLY | O_NOCTTY | O_NONBLOCK;
  OwnedFd fd = found->Reopen(flags);
  if (!fd.valid()) return refusal.System(errno);
  struct stat status{};
  if (FileStatus(fd.get(), &status) != 0) return refusal.System(errno);
  const FileIdentity identity = IdentityOf(status);
  if (identity != IdentityOf(found->status())) {
    return refusal.Deny("changed while it was being opened");
  }
  // Once more: it may have got another owner meanwhile.
  if (const char* why = WhyNotByOwner(parent, status)) return refusal.Deny(why);
  if (!readers.empty()) {
    const auto list = ReadAccessList(fd.get());
    if (!list || !std::ranges::all_of(readers, [&](const FileReader& reader) {
          return CouldRead(reader, roots_[walked->root].way, status, *list);
        })) {
      return refusal.Deny(kUnreadable);
    }
  }
  const LockWish wish = parent.force_share ? kSharedReadLock : kReadLock;
  const Locking locking = TakeLocks(fd.get(), wish, name);
  if (locking.conflict) return refusal.Refuse(ErrorCode::kDenied, EAGAIN, *locking.conflict);

  auto device = std::make_unique<Device>();
  device->path = CombinePath(parent.path, name);
  if (parent.direct_fd.valid()) {
    OwnedFd direct = found->Reopen(flags | O_DIRECT);
    if (direct.valid() && FileStatus(direct.get(), &status) == 0 &&
        identity == IdentityOf(status)) {
      device->direct_fd = std::move(direct);
    }
  }
  device->fd = std::move(fd);
  device->identity = identity;
  device->owner = status.st_uid;
  device->lock_errno = locking.os_errno;
  device->force_share = parent.force_share;
  device->cache = parent.cache;
  device->parent = parent_id;
  device->location = {.root = static_cast<int>(resolved->root),
                      .home_root = parent.location.home_root,
                      .relative_path = resolved->relative_path,
                      .real_directory = roots_[resolved->root].real_path};
  return device;
}

}  // namespace instar::vmm
