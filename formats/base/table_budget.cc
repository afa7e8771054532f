#include "formats/base/table_budget.h"

#include <array>

#include "formats/base/checked.h"

namespace instar {
namespace {

Result<std::uint64_t> StoredBytes(const BlockDevice& device) {
  constexpr std::size_t kRunsAtOnce = 512;
  std::array<FileRun, kRunsAtOnce> runs{};
  const std::uint64_t end = device.size_bytes();
  std::uint64_t stored = 0;
  for (std::uint64_t at = 0; at < end;) {
    INSTAR_ASSIGN_OR_RETURN(const std::size_t count, device.NextRuns(at, end - at, runs));
    for (const FileRun& run : std::span(runs).first(count)) {
      if (!run.hole) stored += run.length_bytes;
      at += run.length_bytes;
    }
  }
  return stored;
}

}  // namespace

Status TableBudget::Spend(std::uint64_t bytes) {
  spent_ = CheckedAdd(spent_, bytes).value_or(UINT64_MAX);
  if (spent_ <= kFreeBytes) return {};
  if (!stored_bytes_) {
    INSTAR_ASSIGN_OR_RETURN(stored_bytes_, StoredBytes(device_));
  }
  if (spent_ - kFreeBytes <= *stored_bytes_) return {};
  return OverLimit("the tables take {0} bytes and more, but the file stores only {1}", spent_,
                   *stored_bytes_);
}

}  // namespace instar
