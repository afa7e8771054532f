#include "instar/vmm/map.h"

#include <absl/strings/str_cat.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "instar/requests.h"
#include "instar/verb_table.h"
#include "operation/operation.h"
#include "report/map_stream.h"
#include "report/printable_text.h"
#include "timing/mark.h"
#include "verbs/child.h"
#include "verbs/map_codec.h"
#include "verbs/open_image.h"
#include "verbs/time_limit.h"
#include "verbs/unfit_footer.h"

namespace instar::vmm {
namespace {

absl::StatusOr<MapReport> MapHere(const MapOptions& options) {
  Broker broker({.max_chain_depth = options.sandbox.max_chain_depth});
  const auto image = OpenImage(broker, options.image, {.force_share = options.force_share});
  if (!image.ok()) return image.status();
  if (absl::Status status = broker.AllowReferences(options.sandbox.references); !status.ok()) {
    return status;
  }
  std::string filename;  // of the file last told of
  DeviceId named = kNoDevice;
  MapStream stream(
      options.start, options.max_length, [&broker] { return broker.data_bytes(); },
      [&](const MapStretch& stretch) {
        MapEntry entry{.start = stretch.start,
                       .length = stretch.length_bytes,
                       .depth = stretch.depth,
                       .present = stretch.Has(MapStretch::kPresent),
                       .zero = stretch.Has(MapStretch::kZero),
                       .data = stretch.Has(MapStretch::kData),
                       .compressed = stretch.Has(MapStretch::kCompressed)};
        if (stretch.Has(MapStretch::kHasOffset)) {
          if (named != stretch.device) {
            filename = broker.device(stretch.device).path;
            named = stretch.device;
          }
          entry.offset = stretch.file_offset;
          entry.filename = filename;
        }
        return options.entry(entry);
      });
  broker.set_record_sink(
      [&stream](std::span<const std::byte> batch) { return stream.Accept(batch); });

  WireWriter request;
  EncodeRequest(MapRequest{.image = *image,
                           .start = options.start,
                           .max_length = options.max_length,
                           .max_chain_depth = options.sandbox.max_chain_depth},
                request);
  const auto isolation = RunOperation(
      broker, options.sandbox, {.guest = kGuestVerb<MapRequest>, .request = request.bytes()});
  if (stream.over_limit()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(PrintableText(ShownName(options.image)),
                     ": the disk is in more pieces than the data of its files can describe; the "
                     "list ends here"));
  }
  if (stream.stopped()) return absl::CancelledError("map: cancelled");
  if (!isolation.ok()) return isolation.status();
  if (!stream.complete()) return absl::AbortedError("map: the guest's report is incomplete");
  if (stream.empty() && !options.entry({.start = options.start})) {
    return absl::CancelledError("map: cancelled");
  }
  MapReport report{.virtual_size = *stream.disk_bytes(), .isolation = *isolation, .warnings = {}};
  if (stream.unfit_footer()) report.warnings.push_back(UnfitFooterWarning(options.image));
  return report;
}

}  // namespace

absl::StatusOr<MapReport> Map(const MapOptions& given) {
  MapOptions options = given;
  FixDeadline(options.sandbox);
  if (options.sandbox.jail != Jail::kChildProcess) {
    absl::StatusOr<MapReport> report = MapHere(options);
    Mark(options.sandbox.timing, TimingPhase::kResult);
    return report;
  }
  MapOptions jailed = options;
  jailed.sandbox.jail = Jail::kThisProcess;
  const ChildResult result = RunInChild(
      [&jailed](const ChildChannel& channel) -> ChildResult {
        MapEntryEncoder entries(channel.records);
        jailed.sandbox.notices = channel.notices;
        jailed.entry = [&entries](const MapEntry& entry) { return entries.Add(entry); };
        const auto report = MapHere(jailed);
        entries.Flush();
        if (!report.ok()) return report.status();
        return EncodeMapReport(*report);
      },
      ChildChannel{.progress = {},
                   .records =
                       [&options](std::span<const std::byte> batch) {
                         return DecodeMapEntries(batch, options.entry);
                       },
                   .created = {},
                   .notices = options.sandbox.notices,
                   .timing = options.sandbox.timing,
                   .deadline = options.sandbox.deadline,
                   .late = LateText(ShownName(options.image), "map", options.sandbox.time_limit)});
  if (!result.ok()) return result.status();
  return DecodeMapReport(*result);
}

}  // namespace instar::vmm
