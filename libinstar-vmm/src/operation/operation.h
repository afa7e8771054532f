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
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct OperationOptions {
  std::string_view image_name;         // guest image: "info", "convert", ...
  std::string_view verb;               // for messages
  std::span<const std::byte> request;  // encoded
  unsigned workers = 1;                // 0: as many as the sandbox allows, by itself one a core
  unsigned max_workers = ~0u;          // then no more than this; at least 1
  // Heap the verb can use at most, below what the sandbox allows. Offering address space costs
  // time: KVM keeps books for every page of it, half a millisecond for 512 MiB.
  std::uint64_t max_heap_bytes = ~std::uint64_t{0};
  // Changes no file and is done soon: a thread to watch over it costs a part of its time worth
  // saving.
  bool brief = false;
  // The guest asks the host often for as long as it runs, from one worker: the two take turns.
  bool takes_turns = false;
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
