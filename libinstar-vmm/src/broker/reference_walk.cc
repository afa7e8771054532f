#include "broker/reference_walk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <optional>
#include <utility>

#include "broker/special_file_system.h"
#include "io/file_status.h"
#include "jail/opener.h"

namespace instar::vmm {
namespace {

constexpr unsigned kMostLinks = 40;  // as many as the kernel follows

// `name` has no slash.
OwnedFd OpenHere(int directory, const std::string& name, std::uint64_t flags,
                 int* number = nullptr) {
  return OwnedFd(OpenBeneath(directory, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, number));
}

std::unexpected<WalkFailure> End(WalkEnd end, int error = 0) {
  return std::unexpected(WalkFailure{.end = end, .os_errno = error});
}

std::unexpected<WalkFailure> EndOutside(std::string path) {
  return std::unexpected(WalkFailure{.end = WalkEnd::kOutside, .path = std::move(path)});
}

// Names yet to walk along, the next one last. An empty name or "." demands a directory.
class NamesAhead {
 public:
  // Puts the names of `path` before all others.
  void Insert(std::string_view path) {
    std::vector<std::string> names;
    for (std::size_t at = 0; at <= path.size();) {
      const std::size_t end = std::min(path.find('/', at), path.size());
      names.emplace_back(path.substr(at, end - at));
      at = end + 1;
    }
    names_.insert(names_.end(), std::make_move_iterator(names.rbegin()),
                  std::make_move_iterator(names.rend()));
  }
  [[nodiscard]] bool empty() const { return names_.empty(); }
  // `path`, and after it the names that are left.
  [[nodiscard]] std::string After(std::string path) const {
    for (auto name = names_.rbegin(); name != names_.rend(); ++name) path.append("/").append(*name);
    return path;
  }
  std::string Take() {
    std::string name = std::move(names_.back());
    names_.pop_back();
    return name;
  }

 private:
  std::vector<std::string> names_;
};

// The text of the symbolic link `name`, open as `link`; empty, with errno set, if it cannot be
// read.
std::string ReadLink(int directory, const std::string& name, int link) {
  std::array<char, PATH_MAX> text;
  const std::ptrdiff_t count = ReadLinkBeneath(directory, name.c_str(), link, text);
  if (count < 0) return {};
  if (count == 0 || static_cast<std::size_t>(count) == text.size()) {
    errno = ENAMETOOLONG;
    return {};
  }
  return {text.data(), static_cast<std::size_t>(count)};
}

bool AllMaySearch(std::span<const FileReader> readers, const struct stat& directory) {
  return std::ranges::all_of(readers, [&](const FileReader& reader) {
    return HasRight(reader, FileRight::kSearch, directory);
  });
}

}  // namespace

bool IsHiddenName(std::string_view name) {
  return name.starts_with('.') && name != "." && name != "..";
}

bool HasHiddenName(std::string_view path) {
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (IsHiddenName(path.substr(0, end))) return true;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return false;
}

OwnedFd FoundFile::Reopen(std::uint64_t flags) const {
  return OpenHere(way_.empty() ? root_ : way_.back().number, name_, flags);
}

std::expected<FoundFile, WalkFailure> WalkBeneath(int root, std::string_view path,
                                                  const WalkRules& rules) {
  BeginWalk();
  std::vector<WalkedDirectory> way;
  NamesAhead ahead;
  ahead.Insert(path);
  unsigned links = 0;
  while (!ahead.empty()) {
    const std::string name = ahead.Take();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      if (way.empty()) return EndOutside(ahead.After(".."));
      way.pop_back();
      continue;
    }
    const int directory = way.empty() ? root : way.back().number;
    int number = -1;
    OwnedFd fd = OpenHere(directory, name, O_PATH, &number);
    if (!fd.valid()) return End(WalkEnd::kError, errno);
    struct stat status{};
    if (FileStatus(fd.get(), &status) != 0) return End(WalkEnd::kError, errno);
    const bool may_be_hidden = (rules.last_may_be_hidden && links == 0 && ahead.empty()) ||
                               (rules.is_named && rules.is_named(IdentityOf(status)));
    if (IsHiddenName(name) && !may_be_hidden) return End(WalkEnd::kHidden);
    if (S_ISLNK(status.st_mode)) {
      if (++links > kMostLinks) return End(WalkEnd::kError, ELOOP);
      const std::string target = ReadLink(directory, name, fd.get());
      if (target.empty()) return End(WalkEnd::kError, errno);
      if (target.starts_with('/')) return EndOutside(ahead.After(target));
      ahead.Insert(target);
      continue;
    }
    if (!S_ISDIR(status.st_mode)) {
      if (!ahead.empty()) return End(WalkEnd::kError, ENOTDIR);
      return FoundFile(root, std::move(way), name, std::move(fd), status);
    }
    if (IsInSpecialFileSystem(fd.get())) return End(WalkEnd::kSpecial);
    if (!AllMaySearch(rules.readers, status)) return End(WalkEnd::kUnreadable);
    way.push_back({.fd = std::move(fd), .number = number});
  }
  // A directory: the root, or the last one gone through.
  return End(WalkEnd::kError, EISDIR);
}

}  // namespace instar::vmm
