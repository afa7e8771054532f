// The way from an allowed directory down to a file, one name at a time.
//
// The kernel could resolve the whole path at once (RESOLVE_BENEATH), but then it would not say
// which directories it went through, and a symbolic link may lead into one that must stay closed.
// So every name is opened by itself, relative to the descriptor of the directory before it, and no
// link is followed by the kernel: the text of the link takes its place. ".." goes back to the
// descriptor that the walk came from, and not above the first. Where a link leads out of the
// directory the walk ends, and the gate decides anew by the path that it leads to. Whoever renames
// directories meanwhile changes nothing: what was looked at is what is gone through.
//
// The opener (jail/opener.h) takes the steps, where there is one. A file beside the image takes one
// step more than to open it would; so does each directory on the way. Tests:
// tests/unit/libinstar-vmm/broker/reference_walk_test.cc.
#ifndef LIBINSTAR_VMM_SRC_BROKER_REFERENCE_WALK_H_
#define LIBINSTAR_VMM_SRC_BROKER_REFERENCE_WALK_H_

#include <sys/stat.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/device_table.h"
#include "broker/file_reader.h"

namespace instar::vmm {

// Whether `name` is hidden: it begins with a dot, and is neither "." nor "..".
[[nodiscard]] bool IsHiddenName(std::string_view name);

// Whether a hidden name is on the path.
[[nodiscard]] bool HasHiddenName(std::string_view path);

struct WalkRules {
  // Whether the user has named this file or directory, so that its name may be a hidden one. Empty:
  // none.
  std::function<bool(const FileIdentity&)> is_named;
  // Who must be able to search every directory on the way, the first one excepted.
  std::span<const FileReader> readers;
  // The path's last name may be a hidden one.
  bool last_may_be_hidden = false;
};

enum class WalkEnd {
  kOutside,     // a link or ".." leads out: to `path`
  kHidden,      // a name on the way is hidden
  kUnreadable,  // one of the readers may not search a directory on the way
  kSpecial,     // a directory on the way lies in a special file system
  kError,       // of the system: `os_errno`
};
struct WalkFailure {
  WalkEnd end = WalkEnd::kError;
  int os_errno = 0;
  // Absolute, or relative to the directory where the walk began ("../base.img"). Nobody has looked
  // whether anything is there.
  std::string path = {};
};

// A directory that is open for the walk.
struct WalkedDirectory {
  OwnedFd fd;
  int number = -1;  // by which further steps name it
};

// Where the walk came to: any kind of file but a symbolic link or a directory. It can be reopened
// until the next walk begins.
class FoundFile {
 public:
  FoundFile(int root, std::vector<WalkedDirectory> way, std::string name, OwnedFd fd,
            struct stat status)
      : root_(root),
        way_(std::move(way)),
        name_(std::move(name)),
        fd_(std::move(fd)),
        status_(status) {}

  [[nodiscard]] int fd() const { return fd_.get(); }  // O_PATH
  [[nodiscard]] const struct stat& status() const { return status_; }
  // Opens the file by its name in the directory it was found in. That may be another file by now.
  [[nodiscard]] OwnedFd Reopen(std::uint64_t flags) const;

 private:
  int root_;
  std::vector<WalkedDirectory> way_;  // the directories beneath the root
  std::string name_;
  OwnedFd fd_;
  struct stat status_;
};

// Walks along the relative `path` from the directory `root` (O_PATH). One walk at a time.
std::expected<FoundFile, WalkFailure> WalkBeneath(int root, std::string_view path,
                                                  const WalkRules& rules);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_REFERENCE_WALK_H_
