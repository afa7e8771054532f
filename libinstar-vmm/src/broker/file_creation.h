// Creating a file such that it is certain whose it is.
#ifndef LIBINSTAR_VMM_SRC_BROKER_FILE_CREATION_H_
#define LIBINSTAR_VMM_SRC_BROKER_FILE_CREATION_H_

#include <expected>
#include <string>

#include "broker/device_table.h"

namespace instar::vmm {

struct NewFile {
  OwnedFd fd;
  OwnedFd directory;  // O_PATH: where it was created
  std::string name;   // its name there
  std::string path;   // absolute, without symbolic links at the time
};

// Creates the file `path`, which must not exist, and opens it with `flags`. Where `path` is a
// symbolic link to a file that does not exist, that file. Every creation is exclusive, so nobody
// else's file is ever taken for this one. The error is an errno: EEXIST if there is something.
std::expected<NewFile, int> CreateNewFile(std::string path, int flags);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_FILE_CREATION_H_
