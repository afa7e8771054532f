#include "verbs/single_report.h"

#include <absl/strings/str_cat.h>

#include <string>
#include <utility>

#include "report/report_store.h"

namespace instar::vmm {

absl::StatusOr<SingleReport> TakeSingleReport(Broker& broker, std::string_view verb,
                                              Isolation isolation) {
  auto reports = broker.TakeReports();
  if (!reports.ok()) return reports.status();
  // Some numbers; whatever is larger was made up.
  constexpr std::size_t kMostBytes = 64 << 10;
  if (reports->size() != 1 || ReportStore::StoreOf(reports->front())->records.size() > kMostBytes) {
    return absl::AbortedError(
        absl::StrCat(std::string(verb), ": the guest did not report what it came to"));
  }
  return SingleReport{.isolation = isolation, .report = std::move(reports->front())};
}

}  // namespace instar::vmm
