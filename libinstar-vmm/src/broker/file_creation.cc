#include "broker/file_creation.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <utility>

#include "broker/local_path.h"
#include "io/file_status.h"

namespace instar::vmm {
namespace {

constexpr int kMostLinks = 40;  // as the kernel's

// `directory` of a path, as DirectoryPart has it, absolute and without symbolic links.
std::string RealDirectory(const std::string& directory) {
  const char* const name = directory.empty() ? "." : directory.c_str();
  const std::unique_ptr<char, void (*)(void*)> real(realpath(name, nullptr), std::free);
  if (!real) return directory;
  std::string path(real.get());
  if (path != "/") path += '/';
  return path;
}

// Where `name` in `directory` leads if it is a symbolic link to nothing. The kernel does not follow
// links that others have put into a directory like /tmp (protected_symlinks), so neither does this.
std::expected<std::string, int> DanglingTarget(int directory, const std::string& name) {
  const OwnedFd link(openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  struct stat above{};
  struct stat target{};
  if (!link.valid() || FileStatus(link.get(), &status) != 0 || !S_ISLNK(status.st_mode)) {
    return std::unexpected(EEXIST);
  }
  if (fstatat(directory, name.c_str(), &target, 0) == 0) return std::unexpected(EEXIST);
  if (errno != ENOENT) return std::unexpected(errno);
  if (FileStatus(directory, &above) != 0) return std::unexpected(errno);
  constexpr mode_t kShared = S_ISVTX | S_IWOTH;
  if ((above.st_mode & kShared) == kShared && status.st_uid != geteuid() &&
      status.st_uid != above.st_uid) {
    return std::unexpected(EACCES);
  }
  std::array<char, PATH_MAX> text{};
  const ssize_t length = readlinkat(link.get(), "", text.data(), text.size());
  if (length < 0) return std::unexpected(errno);
  if (length == 0 || static_cast<std::size_t>(length) == text.size()) {
    return std::unexpected(ENAMETOOLONG);
  }
  return std::string(text.data(), static_cast<std::size_t>(length));
}

}  // namespace

std::expected<NewFile, int> CreateNewFile(std::string path, int flags) {
  for (int links = 0; links <= kMostLinks; ++links) {
    const std::string directory(DirectoryPart(path));
    std::string name = path.substr(directory.size());
    if (name.empty()) return std::unexpected(EISDIR);
    OwnedFd opened(
        open(directory.empty() ? "." : directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!opened.valid()) return std::unexpected(errno);
    OwnedFd fd(openat(opened.get(), name.c_str(), flags | O_CREAT | O_EXCL, 0644));
    if (fd.valid()) {
      std::string real = RealDirectory(directory) + name;
      return NewFile{.fd = std::move(fd),
                     .directory = std::move(opened),
                     .name = std::move(name),
                     .path = std::move(real)};
    }
    if (errno != EEXIST) return std::unexpected(errno);
    const auto target = DanglingTarget(opened.get(), name);
    if (!target) return std::unexpected(target.error());
    path = CombinePath(path, *target);
  }
  return std::unexpected(ELOOP);
}

}  // namespace instar::vmm
