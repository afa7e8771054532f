#include "instar/vmm/strict.h"

#include <absl/strings/str_cat.h>

#include <string>

#include "broker/broker.h"
#include "formats/base/reasons.h"
#include "instar/requests.h"
#include "operation/error_text.h"
#include "report/one_record.h"
#include "verbs/requested_format.h"
#include "verbs/time_limit.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

absl::StatusOr<FormatId> RequiredFormat(const StrictOptions& options) {
  if (!options.format.empty()) return RequestedFormat(options.path, options.format);
  return absl::InvalidArgumentError(
      absl::StrCat(PrintableText(options.path),
                   ": the strict profile needs the format of the image to be stated (-f FORMAT)"));
}

absl::StatusOr<Isolation> InspectHere(const StrictOptions& options, VerbRun& run) {
  INSTAR_ASSIGN_OR_RETURN_STATUS(const FormatId format, RequiredFormat(options));
  Broker broker({});
  // References are not allowed: without a call that does, the gate is closed.
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      const DeviceId image, broker.OpenSource(options.path, {.force_share = options.force_share}));
  return run.Guest(broker, InspectRequest{.image = image,
                                          .format = format,
                                          .max_virtual_bytes = run.sandbox().max_virtual_bytes});
}

}  // namespace

absl::StatusOr<StrictVerdict> Inspect(const StrictOptions& options) {
  OneRecord<StrictRecord> told;
  VerbRun run("info", options.path, options.sandbox, told, kShortTimeLimit);
  INSTAR_ASSIGN_OR_RETURN_STATUS(const Isolation isolation,
                                 run.Run([&] { return InspectHere(options, run); }));
  StrictVerdict verdict{.passed = told.record().reasons.empty(),
                        .format = options.format,
                        .reasons = {},
                        .isolation = isolation};
  for (const ReasonRecord& reason : told.record().reasons) {
    verdict.reasons.push_back(
        {.code = std::string(NameOf(reason.code)),
         .message = RenderGuestMessage(reason.text.message, reason.text.numbers),
         .offset = reason.offset});
  }
  return verdict;
}

}  // namespace instar::vmm
