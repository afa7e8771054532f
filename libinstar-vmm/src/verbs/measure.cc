#include "instar/vmm/measure.h"

#include <string>
#include <string_view>
#include <utility>

#include "broker/broker.h"
#include "formats/base/create_options.h"
#include "instar/requests.h"
#include "instar/verb_table.h"
#include "operation/operation.h"
#include "verbs/convert_target.h"
#include "verbs/jailed_run.h"
#include "verbs/open_image.h"
#include "verbs/single_report.h"
#include "verbs/unfit_footer.h"

namespace instar::vmm {
namespace {

absl::StatusOr<SingleReport> MeasureHere(const MeasureOptions& options) {
  const auto target_format = WritableFormat(options.target_format);
  if (!target_format.ok()) return target_format.status();
  if (absl::Status status = CheckOptionList(*target_format, options.target_options); !status.ok()) {
    return status;
  }
  Broker broker({.max_chain_depth = options.sandbox.max_chain_depth});
  ImageSource image;
  if (!options.image.path.empty()) {
    auto opened = OpenImage(broker, options.image, {.force_share = options.force_share});
    if (!opened.ok()) return opened.status();
    image = *std::move(opened);
    if (absl::Status status = broker.AllowReferences(options.sandbox.references); !status.ok()) {
      return status;
    }
  }
  WireWriter request;
  EncodeRequest(MeasureRequest{.image = image,
                               .snapshot = ViewOf(options.snapshot),
                               .size_bytes = options.size_bytes,
                               .target_format = *target_format,
                               .target_options = options.target_options,
                               .max_chain_depth = options.sandbox.max_chain_depth},
                request);
  const auto isolation = RunOperation(
      broker, options.sandbox, {.guest = kGuestVerb<MeasureRequest>, .request = request.bytes()});
  if (!isolation.ok()) return isolation.status();
  return TakeSingleReport(broker, "measure", *isolation);
}

}  // namespace

absl::StatusOr<MeasureReport> Measure(const MeasureOptions& options) {
  MeasureOptions settled = options;
  FixDeadline(settled.sandbox);
  const auto single = RunWhereAsked({.verb = "measure", .image = ShownName(options.image)}, settled,
                                    MeasureHere, EncodeResult, DecodeSingleResult);
  if (!single.ok()) return single.status();
  MeasureReport report{.isolation = single->isolation,
                       .required_bytes = single->report.UnsignedAt("required"),
                       .fully_allocated_bytes = single->report.UnsignedAt("fully-allocated"),
                       .bitmap_bytes = std::nullopt,
                       .warnings = {}};
  if (single->report.BooleanAt(kUnfitFooter)) {
    report.warnings.push_back(UnfitFooterWarning(options.image));
  }
  if (single->report.Find("bitmaps")) {
    report.bitmap_bytes = single->report.UnsignedAt("bitmaps");
  }
  return report;
}

}  // namespace instar::vmm
