#include "verbs/fresh_target.h"

#include <sys/stat.h>

#include <cerrno>

#include "broker/local_path.h"

namespace instar::vmm {

std::string FreshTarget(const std::string& target) {
  const auto path = LocalPath(target);
  struct stat status{};
  const bool fresh = path.ok() && lstat(path->c_str(), &status) != 0 && errno == ENOENT;
  return fresh ? *path : std::string();
}

}  // namespace instar::vmm
