#include <algorithm>
#include <array>

#include "instar/abi/mailbox.h"
#include "instar/vmm/timing.h"

namespace instar::vmm {
namespace {

// In the order of TimingPhase.
constexpr std::array<const char*, kTimingPhases> kPhaseNames = {
    "command line",
    "files and locks",
    "sandbox",
    "guest memory",
    "guest image",
    "vCPUs",
    "jail: descriptors, limits",
    "jail: landlock",
    "jail: capabilities",
    "threads",
    "jail: seccomp",
    "guest",
    "teardown",
    "result",
};
static_assert(std::ranges::count(kPhaseNames, nullptr) == 0);

struct OperationName {
  instar_op operation;
  const char* name;
};
// Those that take time of their own.
constexpr OperationName kOperationNames[] = {
    {INSTAR_OP_DEVICE_INFO, "device_info"},
    {INSTAR_OP_OPEN_REFERENCE, "open_reference"},
    {INSTAR_OP_RESIZE, "resize"},
    {INSTAR_OP_FLUSH, "flush"},
    {INSTAR_OP_READ, "read"},
    {INSTAR_OP_WRITE, "write"},
    {INSTAR_OP_TRANSFER, "transfer"},
    {INSTAR_OP_SCAN_ZERO, "scan_zero"},
    {INSTAR_OP_NEXT_RUNS, "next_runs"},
    {INSTAR_OP_COMPARE, "compare"},
    {INSTAR_OP_EMIT, "emit"},
    {INSTAR_OP_PROGRESS, "progress"},
    {INSTAR_OP_PARALLEL_START, "parallel_start"},
    {INSTAR_OP_PARALLEL_JOIN, "parallel_join"},
    {INSTAR_OP_YIELD, "yield"},
    {INSTAR_OP_WRITE_ROOT, "write_root"},
    {INSTAR_OP_RESIZE_ROOT, "resize_root"},
};

}  // namespace

const char* TimingPhaseName(TimingPhase phase) {
  const auto index = static_cast<std::size_t>(phase);
  return index < kPhaseNames.size() ? kPhaseNames[index] : "unknown";
}

const char* TimingOperationName(std::size_t operation) {
  for (const OperationName& entry : kOperationNames) {
    if (entry.operation == operation) return entry.name;
  }
  return nullptr;
}

}  // namespace instar::vmm
