#include "instar/vmm/measure.h"

#include "broker/broker.h"
#include "instar/requests.h"
#include "report/one_record.h"
#include "verbs/convert_target.h"
#include "verbs/open_image.h"
#include "verbs/unfit_footer.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

absl::StatusOr<Isolation> MeasureHere(const MeasureOptions& options, VerbRun& run) {
  INSTAR_ASSIGN_OR_RETURN_STATUS(const FormatId target_format,
                                 WritableFormat(options.target_format));
  INSTAR_ASSIGN_OR_RETURN_STATUS(const CreateOptionList target_options,
                                 ReadOptionList(target_format, options.target_options));
  const SandboxOptions& sandbox = run.sandbox();
  Broker broker({.max_chain_depth = sandbox.max_chain_depth});
  ImageSource image;
  if (!options.image.path.empty()) {
    INSTAR_ASSIGN_OR_RETURN_STATUS(
        image, OpenImage(broker, options.image, {.force_share = options.force_share}));
    INSTAR_RETURN_IF_ERROR(broker.AllowReferences(sandbox.references));
  }
  return run.Guest(broker, MeasureRequest{.image = image,
                                          .snapshot = ViewOf(options.snapshot),
                                          .size_bytes = options.size_bytes,
                                          .target_format = target_format,
                                          .target_options = target_options.settings(),
                                          .max_chain_depth = sandbox.max_chain_depth});
}

}  // namespace

absl::StatusOr<MeasureReport> Measure(const MeasureOptions& options) {
  OneRecord<MeasureRecord> told;
  VerbRun run("measure", ShownName(options.image), options.sandbox, told);
  INSTAR_ASSIGN_OR_RETURN_STATUS(const Isolation isolation,
                                 run.Run([&] { return MeasureHere(options, run); }));
  MeasureReport report{told.record(), isolation, {}};
  if (report.unfit_footer) report.warnings.push_back(UnfitFooterWarning(options.image));
  return report;
}

}  // namespace instar::vmm
