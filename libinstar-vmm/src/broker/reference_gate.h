// Decides which of the files that images name are opened, and opens them.
//
// An image is written by an attacker; what it names is a wish. The gate first decides lexically
// (reference_name.h): outside the allowed directories a name is refused without a look at the file
// system, so the answer is the same whether or not something is there. What passes is opened with
// openat2(2) from the directory's descriptor with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS, so
// that no symbolic link and no race leads out, first as O_PATH, and only if it is a regular file
// for reading. The descriptors are opened before the jail; inside, Landlock confines what they
// reach a second time.
#ifndef LIBINSTAR_VMM_SRC_BROKER_REFERENCE_GATE_H_
#define LIBINSTAR_VMM_SRC_BROKER_REFERENCE_GATE_H_

#include <absl/status/status.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/device_table.h"
#include "broker/reference_name.h"
#include "formats/base/error.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct ReferenceRefusal {
  ErrorCode code = ErrorCode::kDenied;
  int os_errno = 0;
  std::string
      line;  // readable; names the reference as the image gives it, never what it resolves to
};

class ReferenceGate {
 public:
  // Opens the directories that `policy` allows and gives the devices the user named their places.
  // kNotFound and the like if a directory the user named cannot be opened.
  absl::Status Open(const ReferencePolicy& policy, DeviceTable& devices);

  // Opens the file that the image on `parent` calls `name`. `parent` exists in `devices`.
  std::expected<std::unique_ptr<Device>, ReferenceRefusal> Follow(const DeviceTable& devices,
                                                                  DeviceId parent,
                                                                  std::string_view name,
                                                                  ReferenceRole role) const;

  [[nodiscard]] std::vector<int> directories() const;

 private:
  bool open_ = false;
  std::vector<ReferenceRoot> roots_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_REFERENCE_GATE_H_
