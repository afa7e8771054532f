#include "instar/vmm/check.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "broker/broker.h"
#include "instar/requests.h"
#include "operation/operation.h"
#include "verbs/check_report.h"
#include "verbs/child.h"

namespace instar::vmm {
namespace {

// A window of counts (formats/qcow2/checker.h) and pieces of tables.
constexpr std::uint64_t kHeapBytes = 160 << 20;

absl::StatusOr<CheckReport> CheckHere(const CheckOptions& options) {
  const FormatId format = FormatFromName(options.format);
  if (!options.format.empty() && format == FormatId::kUnknown) {
    return absl::InvalidArgumentError(
        absl::StrCat("Could not open '", options.path, "': Unknown driver '", options.format, "'"));
  }
  Broker broker({});
  const auto device =
      broker.OpenSource(options.path, {.force_share = options.force_share, .cache = options.cache});
  if (!device.ok()) return device.status();
  WireWriter request;
  EncodeRequest(CheckRequest{.image = *device, .format = format}, request);
  const auto isolation = RunOperation(broker, options.sandbox,
                                      {.image_name = "check",
                                       .verb = "check",
                                       .request = request.bytes(),
                                       .workers = 1,
                                       .max_heap_bytes = kHeapBytes});
  if (!isolation.ok()) return isolation.status();
  const auto objects = broker.TakeReports();
  if (!objects.ok()) return objects.status();
  auto report = CheckReportFrom(*objects);
  if (!report) return absl::AbortedError("check: the guest's report is malformed");
  report->isolation = *isolation;
  return *std::move(report);
}

}  // namespace

absl::StatusOr<CheckReport> Check(const CheckOptions& options) {
  if (options.sandbox.jail != Jail::kChildProcess) return CheckHere(options);
  CheckOptions jailed = options;
  jailed.sandbox.jail = Jail::kThisProcess;
  const ChildResult result = RunInChild(
      [&jailed](const ProgressCallback&) -> ChildResult {
        const auto report = CheckHere(jailed);
        if (!report.ok()) return report.status();
        return EncodeCheckReport(*report);
      },
      {});
  if (!result.ok()) return result.status();
  return DecodeCheckReport(*result);
}

}  // namespace instar::vmm
