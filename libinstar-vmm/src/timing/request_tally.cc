#include "timing/request_tally.h"

#include <algorithm>
#include <cstring>

#include "instar/abi/call_table.h"
#include "instar/abi/mailbox.h"

namespace instar::vmm {
namespace {

// The lengths in a list of `count` entries in the guest's memory, added up.
template <typename Entry>
std::uint64_t TotalLength(const GuestMemory& memory, std::uint64_t address, std::uint64_t count) {
  if (count == 0 || count > INSTAR_MAX_LIST) return 0;
  const auto bytes = memory.Readable(address, count * sizeof(Entry));
  std::uint64_t total = 0;
  for (std::size_t at = 0; at + sizeof(Entry) <= bytes.size(); at += sizeof(Entry)) {
    Entry entry;
    std::memcpy(&entry, bytes.data() + at, sizeof(entry));
    total += entry.length;
  }
  return total;
}

}  // namespace

std::uint64_t BytesOfRequest(const CallFrame& frame, const GuestMemory& memory) {
  switch (frame.op) {
    case INSTAR_OP_READ:
    case INSTAR_OP_WRITE:
      return TotalLength<instar_io>(memory, frame.args[0], frame.args[1]);
    case INSTAR_OP_TRANSFER:
      return TotalLength<instar_transfer>(memory, frame.args[0], frame.args[1]);
    case INSTAR_OP_SCAN_ZERO:
      return TotalLength<instar_range>(memory, frame.args[0], frame.args[1]);
    case INSTAR_OP_COMPARE:
      return TotalLength<instar_range>(memory, frame.args[0], 1);
    case INSTAR_OP_EMIT:
      return std::min<std::uint64_t>(frame.args[1], INSTAR_MAX_EMIT);
    case INSTAR_OP_WRITE_ROOT:
      return std::min<std::uint64_t>(frame.args[3], INSTAR_MAX_ROOT);
    default:
      return 0;
  }
}

void RequestTally::End(const CallFrame& frame, const GuestMemory& memory) {
  if (frame.op >= requests_.size()) return;
  Timing::Requests& requests = requests_[frame.op];
  requests.time += Timing::Clock::now() - begin_;
  ++requests.count;
  requests.bytes += BytesOfRequest(frame, memory);
}

void RequestTally::AddTo(Timing& timing) const {
  timing.vcpu_time += Timing::Clock::now() - start_;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    timing.requests[i].count += requests_[i].count;
    timing.requests[i].bytes += requests_[i].bytes;
    timing.requests[i].time += requests_[i].time;
  }
}

}  // namespace instar::vmm
