#include "instar/vmm/strict.h"

#include <absl/strings/str_cat.h>

#include <string>

#include "broker/broker.h"
#include "formats/base/reasons.h"
#include "instar/requests.h"
#include "instar/verb_table.h"
#include "operation/error_text.h"
#include "operation/operation.h"
#include "verbs/jailed_run.h"
#include "verbs/requested_format.h"
#include "verbs/single_report.h"
#include "verbs/time_limit.h"

namespace instar::vmm {
namespace {

absl::StatusOr<FormatId> RequiredFormat(const StrictOptions& options) {
  if (!options.format.empty()) return RequestedFormat(options.path, options.format);
  return absl::InvalidArgumentError(
      absl::StrCat(PrintableText(options.path),
                   ": the strict profile needs the format of the image to be stated (-f FORMAT)"));
}

absl::StatusOr<SingleReport> InspectHere(const StrictOptions& options) {
  const auto format = RequiredFormat(options);
  if (!format.ok()) return format.status();
  Broker broker({});
  // References are not allowed: without a call that does, the gate is closed.
  const auto image = broker.OpenSource(options.path, {.force_share = options.force_share});
  if (!image.ok()) return image.status();
  WireWriter request;
  EncodeRequest(InspectRequest{.image = *image,
                               .format = *format,
                               .max_virtual_bytes = options.sandbox.max_virtual_bytes},
                request);
  const auto isolation = RunOperation(
      broker, options.sandbox,
      {.guest = kGuestVerb<InspectRequest>, .verb = "info", .request = request.bytes()});
  if (!isolation.ok()) return isolation.status();
  return TakeSingleReport(broker, "info", *isolation);
}

// What the guest reported; kAborted if it is no list of reasons.
absl::StatusOr<StrictVerdict> VerdictFrom(const SingleReport& single, const std::string& format) {
  const absl::Status malformed = absl::AbortedError("info: the guest gave no verdict");
  const auto list = single.report.Find("reasons");
  if (!list || list->kind() != ReportTree::Kind::kArray) return malformed;
  StrictVerdict verdict{.passed = list->members().empty(),
                        .format = format,
                        .reasons = {},
                        .isolation = single.isolation};
  for (const auto& [key, reason] : list->members()) {
    const std::string_view code =
        NameOf(ReasonCode{static_cast<std::uint32_t>(reason.UnsignedAt("code"))});
    if (code.empty()) return malformed;
    verdict.reasons.push_back(
        {.code = std::string(code),
         .message = RenderGuestMessage(
             reason.StringAt("message"),
             {reason.UnsignedAt("n0"), reason.UnsignedAt("n1"), reason.UnsignedAt("n2")}),
         .offset = reason.UnsignedAt("offset")});
  }
  return verdict;
}

}  // namespace

absl::StatusOr<StrictVerdict> Inspect(const StrictOptions& options) {
  StrictOptions settled = options;
  FixDeadline(settled.sandbox, kShortTimeLimit);
  const auto single = RunWhereAsked({.verb = "info", .image = options.path}, settled, InspectHere,
                                    EncodeResult, DecodeSingleResult);
  if (!single.ok()) return single.status();
  return VerdictFrom(*single, options.format);
}

}  // namespace instar::vmm
