// Any bytes as a qcow2 image, checked: what is counted does not depend on how the file is cut into
// windows nor on how many workers count, every fault is told, and what the counts say of the file
// is possible.
#ifndef FUZZ_QCOW2_CHECK_FUZZ_H_
#define FUZZ_QCOW2_CHECK_FUZZ_H_

#include <algorithm>

#include "budgeted_device.h"
#include "counting_sink.h"
#include "formats/open.h"
#include "formats/qcow2/check/check.h"

namespace instar::fuzz {

// Workers that take turns, so that a run can be repeated.
class WorkersInTurn final : public Workers {
 public:
  [[nodiscard]] unsigned count() const override { return 3; }
  Status Run(void (*function)(void* argument, unsigned worker), void* argument) override {
    for (unsigned i = 0; i < count(); ++i) function(argument, i);
    return {};
  }
};

inline Result<CheckCounts> CheckInput(std::span<const std::byte> input,
                                      std::uint64_t window_clusters, Workers* workers = nullptr) {
  constexpr std::uint64_t kBudgetBytes = 8 << 20;
  const BudgetedDevice file(input, DeviceId{1}, kBudgetBytes);
  const auto reader = OpenImage(file, FormatId::kQcow2);
  if (!reader) return std::unexpected(reader.error());
  CountingSink sink;
  const CheckOptions options{
      .device = &file, .reader = reader->get(), .findings = &sink, .workers = workers};
  qcow2::CheckPortions portions = {.window_clusters = window_clusters};
  if (workers != nullptr) portions.piece_bytes = 1024;
  const auto counts = qcow2::Check(options, portions);
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
  constexpr std::uint64_t kOneWindow = std::uint64_t{1} << 16;
  const auto whole = CheckInput(input, kOneWindow);
  if (!whole) return;
  const auto require_same = [&](const Result<CheckCounts>& other, const char* what) {
    // Many windows and small pieces read much: where the budget did not last, there is nothing to
    // compare.
    if (!other) {
      Require(other.error().code == ErrorCode::kIo, what);
      return;
    }
    Require(whole->corruptions == other->corruptions && whole->leaks == other->leaks &&
                whole->check_errors == other->check_errors &&
                whole->image_end_offset == other->image_end_offset &&
                whole->allocated_clusters == other->allocated_clusters &&
                whole->fragmented_clusters == other->fragmented_clusters &&
                whole->compressed_clusters == other->compressed_clusters,
            what);
  };
  require_same(CheckInput(input, 64), "the counts do not depend on the windows");
  WorkersInTurn workers;
  require_same(CheckInput(input, kOneWindow, &workers), "the counts do not depend on the workers");
}

}  // namespace instar::fuzz

#endif  // FUZZ_QCOW2_CHECK_FUZZ_H_
