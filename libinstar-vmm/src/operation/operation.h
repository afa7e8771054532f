// One run of one guest image over one broker: choose the executor, prepare, jail, run, judge.
#ifndef LIBINSTAR_VMM_SRC_OPERATION_OPERATION_H_
#define LIBINSTAR_VMM_SRC_OPERATION_OPERATION_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "broker/broker.h"
#include "executor/guest_image.h"
#include "instar/verb_table.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct OperationOptions {
  GuestVerb guest;                     // its row of the verb table
  std::string_view verb = guest.name;  // for messages
  std::span<const std::byte> request;  // encoded
  PartSet parts = 0;                   // that the guest may need
  unsigned workers = guest.workers;    // 0: as many as the sandbox allows
  unsigned max_workers = ~0u;          // then no more than this; at least 1
  bool seldom_opens = false;           // as GuestChoice (verbs/verb_run.h)
};

// Runs the guest to its end inside the jail that `sandbox` asks for (kThisProcess or kNone; verbs
// handle kChildProcess around this call, see child.h). Returns the isolation used. On failure the
// status is one readable line that names the image concerned. Does not call Commit or Discard.
absl::StatusOr<Isolation> RunOperation(Broker& broker, const SandboxOptions& sandbox,
                                       const OperationOptions& options);

// kAuto resolved for this machine; kUnavailable if this program does not have what was asked for.
// That KVM does not work after all is found out by RunOperation.
absl::StatusOr<Isolation> ResolveIsolation(Isolation wanted);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_OPERATION_OPERATION_H_
