#include "operation/requirements.h"

#include <absl/strings/str_cat.h>

#include "jail/jail.h"

namespace instar::vmm {

absl::Status CheckRequirements(const SandboxOptions& sandbox, Isolation used) {
  const auto missing = [](const char* name, const char* why) {
    return absl::UnavailableError(
        absl::StrCat("'", name, "' is required (--require) but ", why, "; nothing was run"));
  };
  const Requirements& required = sandbox.require;
  if (required.kvm && used != Isolation::kKvm) {
    return missing("kvm", used == Isolation::kInline ? "isolation 'none' was chosen"
                          : sandbox.isolation == Isolation::kProcess
                              ? "isolation 'process' was chosen"
                              : "virtual machines cannot be made here");
  }
  const bool jailed = sandbox.jail != Jail::kNone;
  if (required.seccomp && !(jailed && SeccompAvailable())) {
    return missing("seccomp", "this kernel has no filters of system calls");
  }
  if (required.landlock && !(jailed && LandlockVersion() > 0)) {
    return missing("landlock", "this kernel has none, or it is not enabled");
  }
  if (required.openat2 && !Openat2Available()) {
    return missing("openat2", "this kernel has none");
  }
  return absl::OkStatus();
}

}  // namespace instar::vmm
