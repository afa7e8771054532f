#include "instar/vmm/compare.h"

#include "broker/broker.h"
#include "instar/abi/call_table.h"
#include "instar/requests.h"
#include "report/one_record.h"
#include "verbs/open_image.h"
#include "verbs/unfit_footer.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

bool IsFailure(CompareVerdict verdict) {
  return verdict == CompareVerdict::kMapUnreadable || verdict == CompareVerdict::kDataUnreadable;
}

absl::StatusOr<Isolation> CompareHere(const CompareOptions& options, VerbRun& run) {
  const SandboxOptions& sandbox = run.sandbox();
  Broker broker({.max_chain_depth = sandbox.max_chain_depth});
  const SourceOptions how{.force_share = options.force_share, .cache = options.cache};
  INSTAR_ASSIGN_OR_RETURN_STATUS(const ImageSource first, OpenImage(broker, options.first, how));
  INSTAR_ASSIGN_OR_RETURN_STATUS(const ImageSource second, OpenImage(broker, options.second, how));
  INSTAR_RETURN_IF_ERROR(broker.AllowReferences(sandbox.references));
  return run.Guest(broker,
                   CompareRequest{.first = first,
                                  .second = second,
                                  .strict = options.strict,
                                  .workers = INSTAR_MAX_WORKERS,
                                  .max_chain_depth = sandbox.max_chain_depth},
                   {.parts = 1 << INSTAR_PART_ZSTD_IN});
}

}  // namespace

absl::StatusOr<CompareReport> Compare(const CompareOptions& options) {
  OneRecord<CompareRecord> told;
  VerbRun run("compare", ShownName(options.first), options.sandbox, told);
  run.set_progress(options.progress);
  const auto isolation = run.Run([&] { return CompareHere(options, run); });
  // What could not be read is told before the run fails.
  const bool unreadable = told.Complete() && IsFailure(told.record().verdict);
  if (isolation.ok() && unreadable) {
    return absl::AbortedError("compare: the guest's report is malformed");
  }
  if (!isolation.ok() && !unreadable) return isolation.status();
  CompareReport report{told.record(), isolation.status(), isolation.value_or(Isolation::kAuto), {}};
  if (report.first_unfit_footer) report.warnings.push_back(UnfitFooterWarning(options.first));
  if (report.second_unfit_footer) report.warnings.push_back(UnfitFooterWarning(options.second));
  return report;
}

}  // namespace instar::vmm
