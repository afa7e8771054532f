#include "instar/abi/mailbox.h"
#include "instar/vmm/timing.h"

namespace instar::vmm {

const char* TimingPhaseName(TimingPhase phase) {
  switch (phase) {
    case TimingPhase::kCommandLine:
      return "command line";
    case TimingPhase::kFiles:
      return "files and locks";
    case TimingPhase::kSandbox:
      return "sandbox";
    case TimingPhase::kMemory:
      return "guest memory";
    case TimingPhase::kImage:
      return "guest image";
    case TimingPhase::kVcpus:
      return "vCPUs";
    case TimingPhase::kPrivileges:
      return "jail: descriptors, limits";
    case TimingPhase::kLandlock:
      return "jail: landlock";
    case TimingPhase::kCapabilities:
      return "jail: capabilities";
    case TimingPhase::kThreads:
      return "threads";
    case TimingPhase::kSeccomp:
      return "jail: seccomp";
    case TimingPhase::kGuest:
      return "guest";
    case TimingPhase::kTeardown:
      return "teardown";
    case TimingPhase::kResult:
      return "result";
  }
  return "unknown";
}

const char* TimingOperationName(std::size_t operation) {
  if (operation >= kTimingOperations) return nullptr;
  switch (static_cast<instar_op>(operation)) {
    case INSTAR_OP_DEVICE_INFO:
      return "device_info";
    case INSTAR_OP_OPEN_REFERENCE:
      return "open_reference";
    case INSTAR_OP_RESIZE:
      return "resize";
    case INSTAR_OP_FLUSH:
      return "flush";
    case INSTAR_OP_READ:
      return "read";
    case INSTAR_OP_WRITE:
      return "write";
    case INSTAR_OP_TRANSFER:
      return "transfer";
    case INSTAR_OP_SCAN_ZERO:
      return "scan_zero";
    case INSTAR_OP_NEXT_RUNS:
      return "next_runs";
    case INSTAR_OP_COMPARE:
      return "compare";
    case INSTAR_OP_EMIT:
      return "emit";
    case INSTAR_OP_PROGRESS:
      return "progress";
    case INSTAR_OP_PARALLEL_START:
      return "parallel_start";
    case INSTAR_OP_PARALLEL_JOIN:
      return "parallel_join";
    case INSTAR_OP_YIELD:
      return "yield";
    case INSTAR_OP_WORKER_DONE:
    case INSTAR_OP_FINISH:
    case INSTAR_OP_FAIL:
      break;
  }
  return nullptr;
}

}  // namespace instar::vmm
