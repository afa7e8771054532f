// Opening the files that the user named. Only regular files and block devices are images; nothing
// else is even opened, since opening a FIFO blocks and opening a device node may do anything.
#ifndef LIBINSTAR_VMM_SRC_BROKER_FILE_OPENING_H_
#define LIBINSTAR_VMM_SRC_BROKER_FILE_OPENING_H_

#include <absl/status/statusor.h>

#include <memory>
#include <span>
#include <string>

#include "broker/device_table.h"

namespace instar::vmm {

// Opens `path` read-only and takes locks. Messages as qemu-img's, without its name.
absl::StatusOr<std::unique_ptr<Device>> OpenSourceFile(const std::string& path, CacheMode cache,
                                                       bool force_share);

struct OpenedTarget {
  std::unique_ptr<Device> device;
  // Set if the file did not exist before: where it was created.
  OwnedFd created_in;
  std::string created_name;
  std::string created_path;  // absolute
};

// Opens `path` for reading and writing, creating it unless `keep`, and takes locks. An existing
// file keeps its content. kInvalidArgument if it is one of `sources`.
absl::StatusOr<OpenedTarget> OpenTargetFile(const std::string& path, CacheMode cache, bool keep,
                                            std::span<const FileIdentity> sources);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_FILE_OPENING_H_
