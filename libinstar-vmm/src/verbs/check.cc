#include "instar/vmm/check.h"

#include <algorithm>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "instar/abi/call_table.h"
#include "instar/requests.h"
#include "instar/verb_table.h"
#include "operation/operation.h"
#include "timing/mark.h"
#include "verbs/check_report.h"
#include "verbs/child.h"
#include "verbs/open_image.h"
#include "verbs/time_limit.h"
#include "verbs/unfit_footer.h"

namespace instar::vmm {
namespace {

// A vCPU costs some tenths of a millisecond, as much as one takes for the tables of some GiB.
unsigned WorkersFor(std::uint64_t file_bytes) {
  constexpr std::uint64_t kBytesAWorker = std::uint64_t{8} << 30;
  return static_cast<unsigned>(
      1 + std::min<std::uint64_t>(file_bytes / kBytesAWorker, INSTAR_MAX_WORKERS));
}

// Clusters are counted in windows, and each walks over all tables again. A window is of 8 GiB where
// clusters are smallest. No honest image needs more passes than 64.
unsigned PassesFor(std::uint64_t file_bytes) {
  constexpr std::uint64_t kBytesAWindow = std::uint64_t{8} << 30;
  return static_cast<unsigned>(2 + std::min<std::uint64_t>(file_bytes / kBytesAWindow, 62));
}

// Gives each finding to `take`; the report has none of them.
absl::StatusOr<CheckResult> CheckHere(const CheckOptions& options,
                                      const std::function<void(CheckFinding&&)>& take) {
  Broker broker({.max_chain_depth = 1});  // a backing file is not looked at
  const auto image = OpenImage(broker, options.image,
                               {.force_share = options.force_share, .cache = options.cache});
  if (!image.ok()) return image.status();
  // Extents are parts of the image.
  if (absl::Status status = broker.AllowReferences(options.sandbox.references); !status.ok()) {
    return status;
  }
  broker.set_read_passes(PassesFor(broker.readable_bytes()));
  CheckRecords records(take);
  broker.set_object_sink([&records](const ReportTree& object) { return records.Accept(object); });
  WireWriter request;
  EncodeRequest(CheckRequest{.image = *image, .max_findings = CheckRecords::kMaxFindings}, request);
  const auto isolation = RunOperation(broker, options.sandbox,
                                      {.guest = kGuestVerb<CheckRequest>,
                                       .request = request.bytes(),
                                       .max_workers = WorkersFor(broker.readable_bytes())});
  if (!isolation.ok()) return isolation.status();
  if (const auto rest = broker.TakeReports(); !rest.ok()) return rest.status();
  auto report = records.Take();
  if (!report) return absl::AbortedError("check: the guest's report is malformed");
  report->isolation = *isolation;
  return *std::move(report);
}

absl::StatusOr<CheckResult> CheckInChild(const CheckOptions& options,
                                         std::vector<CheckFinding>& findings) {
  CheckOptions jailed = options;
  jailed.sandbox.jail = Jail::kThisProcess;
  const ChildResult result = RunInChild(
      [&jailed](const ChildChannel& channel) -> ChildResult {
        jailed.sandbox.notices = channel.notices;
        FindingEncoder encoder(channel.records);
        const auto report =
            CheckHere(jailed, [&encoder](CheckFinding&& finding) { encoder.Add(finding); });
        encoder.Flush();
        if (!report.ok()) return report.status();
        return EncodeCheckReport(*report);
      },
      ChildChannel{
          .progress = {},
          .records =
              [&findings](std::span<const std::byte> batch) {
                return DecodeFindings(batch, findings);
              },
          .created = {},
          .notices = options.sandbox.notices,
          .timing = options.sandbox.timing,
          .deadline = options.sandbox.deadline,
          .late = LateText(ShownName(options.image), "check", options.sandbox.time_limit)});
  if (!result.ok()) return result.status();
  return DecodeCheckReport(*result);
}

}  // namespace

absl::StatusOr<CheckResult> Check(const CheckOptions& given) {
  CheckOptions options = given;
  FixDeadline(options.sandbox);
  std::vector<CheckFinding> findings;
  absl::StatusOr<CheckResult> report;
  if (options.sandbox.jail == Jail::kChildProcess) {
    report = CheckInChild(options, findings);
  } else {
    report = CheckHere(
        options, [&findings](CheckFinding&& finding) { findings.push_back(std::move(finding)); });
    Mark(options.sandbox.timing, TimingPhase::kResult);
  }
  if (report.ok()) report->findings = std::move(findings);
  if (report.ok() && report->unfit_footer) {
    report->warnings.push_back(UnfitFooterWarning(options.image));
  }
  return report;
}

}  // namespace instar::vmm
