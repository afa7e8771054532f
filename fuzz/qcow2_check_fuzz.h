// Any bytes as a qcow2 image, checked: what is counted does not depend on how the file is cut into
// windows, every fault is told, and what the counts say of the file is possible.
#ifndef FUZZ_QCOW2_CHECK_FUZZ_H_
#define FUZZ_QCOW2_CHECK_FUZZ_H_

#include <algorithm>

#include "budgeted_device.h"
#include "counting_sink.h"
#include "formats/qcow2/checker.h"
#include "formats/registry.h"

namespace instar::fuzz {

inline Result<CheckCounts> CheckInput(std::span<const std::byte> input,
                                      std::uint64_t window_clusters) {
  constexpr std::uint64_t kBudgetBytes = 8 << 20;
  const BudgetedDevice file(input, DeviceId{1}, kBudgetBytes);
  const auto reader = OpenImage(file, FormatId::kQcow2);
  if (!reader) return std::unexpected(reader.error());
  CountingSink sink;
  const CheckOptions options{.device = &file, .reader = reader->get(), .findings = &sink};
  const auto counts = qcow2::Check(options, {.window_clusters = window_clusters});
  if (!counts) return counts;
  Require(counts->corruptions == sink.of(FindingKind::kCorruption), "corruptions are told");
  Require(counts->leaks == sink.of(FindingKind::kLeak), "leaks are told");
  Require(counts->check_errors == sink.of(FindingKind::kError), "errors are told");
  const std::uint64_t cluster = (*reader)->cluster_size_bytes();
  Require(counts->image_end_offset.value_or(1) % cluster == 0, "the end is that of a cluster");
  Require(*counts->image_end_offset <= input.size() + 2 * cluster, "the end is that of the file");
  Require(*counts->compressed_clusters <= *counts->fragmented_clusters &&
              *counts->fragmented_clusters <= *counts->allocated_clusters,
          "what is compressed is fragmented, what is fragmented is allocated");
  return counts;
}

inline void FuzzQcow2Check(std::span<const std::byte> input) {
  const auto whole = CheckInput(input, std::uint64_t{1} << 16);
  if (!whole) return;
  // Many windows read much: where the budget did not last, there is nothing to compare.
  const auto parts = CheckInput(input, 64);
  if (!parts) {
    Require(parts.error().code == ErrorCode::kIo, "windows do not make an image unreadable");
    return;
  }
  Require(whole->corruptions == parts->corruptions && whole->leaks == parts->leaks &&
              whole->check_errors == parts->check_errors &&
              whole->image_end_offset == parts->image_end_offset &&
              whole->allocated_clusters == parts->allocated_clusters &&
              whole->fragmented_clusters == parts->fragmented_clusters &&
              whole->compressed_clusters == parts->compressed_clusters,
          "the counts do not depend on the windows");
}

}  // namespace instar::fuzz

#endif  // FUZZ_QCOW2_CHECK_FUZZ_H_
