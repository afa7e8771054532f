#include "instar/vmm/check.h"

#include "broker/broker.h"
#include "instar/requests.h"
#include "verbs/check_records.h"
#include "verbs/open_image.h"
#include "verbs/table_workers.h"
#include "verbs/unfit_footer.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

absl::StatusOr<Isolation> CheckHere(const CheckOptions& options, VerbRun& run) {
  Broker broker({.max_chain_depth = 1});  // a backing file is not looked at
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      const ImageSource image,
      OpenImage(broker, options.image,
                {.force_share = options.force_share, .cache = options.cache}));
  // Extents are parts of the image.
  INSTAR_RETURN_IF_ERROR(broker.AllowReferences(run.sandbox().references));
  broker.set_read_passes(TablePassesFor(broker.readable_bytes(), /*looks=*/1));
  return run.Guest(broker, CheckRequest{.image = image, .max_findings = CheckRecords::kMaxFindings},
                   {.max_workers = TableWorkersFor(broker.readable_bytes())});
}

}  // namespace

absl::StatusOr<CheckResult> Check(const CheckOptions& options) {
  CheckRecords told;
  VerbRun run("check", ShownName(options.image), options.sandbox, told);
  INSTAR_ASSIGN_OR_RETURN_STATUS(const Isolation isolation,
                                 run.Run([&] { return CheckHere(options, run); }));
  CheckResult result = told.TakeResult();
  result.isolation = isolation;
  if (result.unfit_footer) result.warnings.push_back(UnfitFooterWarning(options.image));
  return result;
}

}  // namespace instar::vmm
