#include "instar/vmm/check.h"

#include <algorithm>
#include <utility>

#include "broker/broker.h"
#include "instar/abi/call_table.h"
#include "instar/requests.h"
#include "operation/operation.h"
#include "verbs/check_report.h"
#include "verbs/jailed_run.h"
#include "verbs/open_image.h"

namespace instar::vmm {
namespace {

// A window of counts (formats/qcow2/checker.h) and pieces of tables.
constexpr std::uint64_t kHeapBytes = 160 << 20;

// A vCPU costs some tenths of a millisecond, as much as one takes for the tables of some GiB.
unsigned WorkersFor(std::uint64_t file_bytes) {
  constexpr std::uint64_t kBytesAWorker = std::uint64_t{8} << 30;
  return static_cast<unsigned>(
      1 + std::min<std::uint64_t>(file_bytes / kBytesAWorker, INSTAR_MAX_WORKERS));
}

absl::StatusOr<CheckReport> CheckHere(const CheckOptions& options) {
  Broker broker({});
  const auto image = OpenImage(broker, options.image,
                               {.force_share = options.force_share, .cache = options.cache});
  if (!image.ok()) return image.status();
  // Extents are parts of the image; what else it names the guest does not ask for.
  if (absl::Status status = broker.AllowReferences(options.sandbox.references); !status.ok()) {
    return status;
  }
  WireWriter request;
  EncodeRequest(CheckRequest{.image = *image}, request);
  const auto isolation = RunOperation(broker, options.sandbox,
                                      {.image_name = "check",
                                       .verb = "check",
                                       .request = request.bytes(),
                                       .workers = 0,
                                       .max_workers = WorkersFor(broker.readable_bytes()),
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
  return RunWhereAsked(options, CheckHere, EncodeCheckReport, DecodeCheckReport);
}

}  // namespace instar::vmm
