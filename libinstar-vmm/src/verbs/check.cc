#include "instar/vmm/check.h"

#include "broker/broker.h"
#include "instar/requests.h"
#include "verbs/check_records.h"
#include "verbs/edit_run.h"
#include "verbs/open_image.h"
#include "verbs/table_workers.h"
#include "verbs/unfit_footer.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

// A repair looks over all before and afterwards, counts what it has made, and goes through the
// tables for each thing that it mends.
constexpr unsigned kRepairLooks = 6;

CheckRequest RequestFor(const CheckOptions& options, const ImageSource& image) {
  return {.image = image,
          .max_findings = CheckRecords::kMaxFindings,
          .repair = options.repair,
          .dry_run = options.dry_run};
}

absl::StatusOr<Isolation> CheckHere(const CheckOptions& options, VerbRun& run) {
  Broker broker({.max_chain_depth = 1});  // a backing file is not looked at
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      const ImageSource image,
      OpenImage(broker, options.image,
                {.force_share = options.force_share, .cache = options.cache}));
  // Extents are parts of the image.
  INSTAR_RETURN_IF_ERROR(broker.AllowReferences(run.sandbox().references));
  broker.set_read_passes(TablePassesFor(
      broker.readable_bytes(), /*looks=*/options.repair == RepairMode::kNone ? 1 : kRepairLooks));
  return run.Guest(broker, RequestFor(options, image),
                   {.max_workers = TableWorkersFor(broker.readable_bytes())});
}

absl::StatusOr<Isolation> RepairHere(const CheckOptions& options, VerbRun& run) {
  return EditHere({.image = options.image, .data_file = {}, .cache = options.cache}, run,
                  [&](Broker& broker, const EditedSource& source, GuestChoice choice) {
                    choice.parts = 0;  // no content is looked at
                    broker.set_read_passes(TablePassesFor(broker.readable_bytes(), kRepairLooks));
                    return run.Guest(broker, RequestFor(options, source.image), choice);
                  });
}

}  // namespace

absl::StatusOr<CheckResult> Check(const CheckOptions& options) {
  const bool changes = options.repair != RepairMode::kNone && !options.dry_run;
  CheckRecords told;
  VerbRun run("check", ShownName(options.image), options.sandbox, told);
  INSTAR_ASSIGN_OR_RETURN_STATUS(const Isolation isolation, run.Run([&] {
    return changes ? RepairHere(options, run) : CheckHere(options, run);
  }));
  CheckResult result = told.TakeResult();
  result.isolation = isolation;
  if (result.unfit_footer) result.warnings.push_back(UnfitFooterWarning(options.image));
  return result;
}

}  // namespace instar::vmm
