#include "convert/transfer_list.h"

#include <algorithm>

namespace instar::convert {

void TransferList::AddStep(const TransferStep& step) {
  if (!steps_.empty()) {
    TransferStep& last = steps_.back();
    const bool has_source =
        step.kind == TransferStep::Kind::kCopy || step.kind == TransferStep::Kind::kCopySparse;
    const bool source_follows =
        !has_source || (last.source == step.source &&
                        last.source_offset + last.length_bytes == step.source_offset);
    const bool unit_ends = step.zero_run_bytes == 0 || last.length_bytes % step.zero_run_bytes == 0;
    if (last.kind == step.kind && source_follows && last.target == step.target &&
        last.target_offset + last.length_bytes == step.target_offset &&
        last.zero_run_bytes == step.zero_run_bytes && unit_ends) {
      last.length_bytes += step.length_bytes;
      return;
    }
  }
  steps_.push_back(step);
}

void TransferList::AddWrite(DeviceId device, std::uint64_t offset,
                            std::span<const std::byte> data) {
  if (!writes_.empty()) {
    WriteRequest& last = writes_.back();
    if (last.device == device && last.offset + last.data.size() == offset &&
        last.data.data() + last.data.size() == data.data()) {
      last.data = {last.data.data(), last.data.size() + data.size()};
      return;
    }
  }
  writes_.push_back({.device = device, .offset = offset, .data = data});
}

void TransferList::AddZeroBytes(DeviceId device, std::uint64_t offset, std::uint64_t length) {
  while (length != 0) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(length, zeros_.size()));
    writes_.push_back({.device = device, .offset = offset, .data = zeros_.first(part)});
    offset += part;
    length -= part;
  }
}

Status TransferList::SendSteps(Host& host, std::span<const TransferStep> steps) {
  while (!steps.empty()) {
    const std::size_t count = std::min(steps.size(), kMaxHostList);
    INSTAR_TRY(host.Transfer(steps.first(count)));
    steps = steps.subspan(count);
  }
  return {};
}

Status TransferList::SendWrites(Host& host, std::span<const WriteRequest> writes) {
  while (!writes.empty()) {
    const std::size_t count = std::min(writes.size(), kMaxHostList);
    INSTAR_TRY(host.Write(writes.first(count)));
    writes = writes.subspan(count);
  }
  return {};
}

Status TransferList::Send(Host& host) {
  INSTAR_TRY(SendSteps(host, steps_));
  steps_.clear();
  return SendWrites(host);
}

Status TransferList::SendWrites(Host& host) {
  INSTAR_TRY(SendWrites(host, writes_));
  writes_.clear();
  return {};
}

Status TransferList::SendInOrder(Host& host) {
  std::span<const TransferStep> steps = steps_;
  std::span<const WriteRequest> writes = writes_;
  while (!steps.empty() && !writes.empty()) {
    std::size_t count = 0;
    while (count < steps.size() && steps[count].target_offset < writes[0].offset) ++count;
    INSTAR_TRY(SendSteps(host, steps.first(count)));
    steps = steps.subspan(count);
    count = 0;
    while (count < writes.size() &&
           (steps.empty() || writes[count].offset < steps[0].target_offset)) {
      ++count;
    }
    INSTAR_TRY(SendWrites(host, writes.first(count)));
    writes = writes.subspan(count);
  }
  INSTAR_TRY(SendSteps(host, steps));
  INSTAR_TRY(SendWrites(host, writes));
  steps_.clear();
  writes_.clear();
  return {};
}

}  // namespace instar::convert
