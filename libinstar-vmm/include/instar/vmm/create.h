// The verb `create`, sandboxed.
#ifndef INSTAR_VMM_CREATE_H_
#define INSTAR_VMM_CREATE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct CreateReport {
  Isolation isolation = Isolation::kAuto;
  std::uint64_t virtual_size_bytes = 0;  // what was asked for, before any rounding by the format
  std::string backing_file;
  std::string backing_format;
};

struct CreateOptions {
  std::string path;  // an existing file is overwritten
  std::string format = "raw";
  std::string format_options;               // -o, joined by ','
  std::optional<std::uint64_t> size_bytes;  // absent: as -o size= says, or the backing file's
  std::string backing_file;                 // -b, or -o backing_file
  std::string backing_format;               // -F, or -o backing_fmt; needed with a backing file
  bool check_backing = true;                // false: -u, the backing file need not exist
  // The identities of a vmdk, vpc or vhdx image follow from its name, size and options: the same
  // call makes the same image. False: they are random.
  bool reproducible = false;
  // Called once with what is made, its isolation aside: before any file is made where that is known
  // without looking into a backing file, else when it is made. May be empty.
  std::function<void(const CreateReport&)> announce;
  SandboxOptions sandbox;
};

// Error codes as Info; messages name `path`. On failure files that this call created are removed.
// The backing file is opened to learn its size, and that it is an image of its format; what it
// names itself is not.
absl::StatusOr<CreateReport> Create(const CreateOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_CREATE_H_
