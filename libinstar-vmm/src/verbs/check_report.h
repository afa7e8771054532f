// What a guest reports that checks an image, taken as it comes and checked, and its form on the way
// from a jailed child process to its parent.
//
// Nothing is kept but the counts: each finding goes on at once, so that a report costs no more
// memory than the findings that are shown.
#ifndef LIBINSTAR_VMM_SRC_VERBS_CHECK_REPORT_H_
#define LIBINSTAR_VMM_SRC_VERBS_CHECK_REPORT_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "instar/vmm/check.h"
#include "instar/vmm/report.h"
#include "instar/wire.h"

namespace instar::vmm {

class CheckRecords {
 public:
  // Findings that are shown, as CheckRequest asks for (instar/requests.h), and bytes of the text of
  // one: a message of the planner's own with three numbers in it.
  static constexpr std::size_t kMaxFindings = 10'000;
  static constexpr std::size_t kMaxFindingBytes = 1024;

  // `take` gets each finding.
  explicit CheckRecords(std::function<void(CheckFinding&&)> take) : take_(std::move(take)) {}

  // Takes one object; false if RunCheck (instar/verbs.h) does not emit such.
  [[nodiscard]] bool Accept(const ReportTree& object);
  // The counts; nothing if none came.
  std::optional<CheckResult> Take();

 private:
  bool TakeFinding(const ReportTree& object);

  std::function<void(CheckFinding&&)> take_;
  CheckResult report_;
  std::size_t findings_ = 0;
};

// Collects findings and sends them in batches.
class FindingEncoder {
 public:
  explicit FindingEncoder(std::function<bool(std::span<const std::byte>)> send)
      : send_(std::move(send)) {}
  // False when nobody wants more.
  bool Add(const CheckFinding& finding);
  bool Flush();

 private:
  static constexpr std::size_t kBatchBytes = 64 * 1024;
  std::function<bool(std::span<const std::byte>)> send_;
  WireWriter writer_;
  bool wanted_ = true;
};
// Appends the findings of a batch. False if it is none, or they become more than may be.
bool DecodeFindings(std::span<const std::byte> batch, std::vector<CheckFinding>& findings);

// The report without its findings.
std::vector<std::byte> EncodeCheckReport(const CheckResult& report);
absl::StatusOr<CheckResult> DecodeCheckReport(std::span<const std::byte> bytes);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_CHECK_REPORT_H_
