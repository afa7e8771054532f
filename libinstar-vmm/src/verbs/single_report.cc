#include "verbs/single_report.h"

#include <absl/strings/str_cat.h>

#include <string>
#include <utility>

#include "verbs/child.h"

namespace instar::vmm {

absl::StatusOr<SingleReport> TakeSingleReport(Broker& broker, std::string_view verb,
                                              Isolation isolation) {
  auto reports = broker.TakeReports();
  if (!reports.ok()) return reports.status();
  if (reports->size() != 1) {
    return absl::AbortedError(
        absl::StrCat(std::string(verb), ": the guest did not report what it came to"));
  }
  return SingleReport{.isolation = isolation, .report = std::move(reports->front())};
}

absl::StatusOr<SingleReport> SingleReportFromChild(
    const std::function<absl::StatusOr<SingleReport>()>& body) {
  const ChildResult result = RunInChild(
      [&body](const ProgressCallback&) -> ChildResult {
        const auto report = body();
        if (!report.ok()) return report.status();
        return EncodeResult(*report);
      },
      {});
  if (!result.ok()) return result.status();
  return DecodeSingleResult(*result);
}

}  // namespace instar::vmm
