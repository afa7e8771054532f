#include "broker/created_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/device_table.h"
#include "broker/local_path.h"

namespace instar::vmm {

void RemoveCreatedFile(const CreatedFile& file) {
  const std::string directory(DirectoryPart(file.path));
  const std::string name = file.path.substr(directory.size());
  const OwnedFd opened(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (opened.valid()) RemoveIfSame(opened.get(), name.c_str(), file.device, file.inode);
}

void RemoveIfSame(int directory, const char* name, std::uint64_t device, std::uint64_t inode) {
  struct stat status{};
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_dev == device &&
      status.st_ino == inode) {
    unlinkat(directory, name, 0);
  }
}

}  // namespace instar::vmm
