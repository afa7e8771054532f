// A file that a run created, as another process can know it.
#ifndef LIBINSTAR_VMM_SRC_BROKER_CREATED_FILE_H_
#define LIBINSTAR_VMM_SRC_BROKER_CREATED_FILE_H_

#include <cstdint>
#include <string>

namespace instar::vmm {

struct CreatedFile {
  std::string path;  // absolute, without symbolic links at the time
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("path", path);
    visit("device", device);
    visit("inode", inode);
  }
};

// Unlinks `file`, unless another has been put in its place.
void RemoveCreatedFile(const CreatedFile& file);

// Unlinks `name` in the directory `directory` if it is the file that was created. Somebody who may
// write there could still put another in its place between the look and the removal, for the kernel
// removes by name only. Async-signal-safe.
void RemoveIfSame(int directory, const char* name, std::uint64_t device, std::uint64_t inode);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_CREATED_FILE_H_
