#include "instar/vmm/map.h"

#include <absl/strings/str_cat.h>

#include "broker/broker.h"
#include "instar/requests.h"
#include "report/map_stream.h"
#include "report/printable_text.h"
#include "verbs/open_image.h"
#include "verbs/unfit_footer.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

absl::StatusOr<Isolation> MapHere(const MapOptions& options, VerbRun& run,
                                  const MapStream& stream) {
  const SandboxOptions& sandbox = run.sandbox();
  Broker broker({.max_chain_depth = sandbox.max_chain_depth});
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      const ImageSource image,
      OpenImage(broker, options.image, {.force_share = options.force_share}));
  INSTAR_RETURN_IF_ERROR(broker.AllowReferences(sandbox.references));
  auto isolation = run.Guest(broker, MapRequest{.image = image,
                                                .start = options.start,
                                                .max_length = options.max_length,
                                                .max_chain_depth = sandbox.max_chain_depth});
  if (!stream.over_limit()) return isolation;
  return absl::ResourceExhaustedError(
      absl::StrCat(PrintableText(ShownName(options.image)),
                   ": the disk is in more pieces than the data of its files can describe; the "
                   "list ends here"));
}

// `file`: where the stretch stands, if it says so.
MapEntry EntryOf(const MapStretch& stretch, std::string_view file) {
  MapEntry entry{.start = stretch.start,
                 .length = stretch.length_bytes,
                 .depth = stretch.depth,
                 .present = stretch.Has(MapStretch::kPresent),
                 .zero = stretch.Has(MapStretch::kZero),
                 .data = stretch.Has(MapStretch::kData),
                 .compressed = stretch.Has(MapStretch::kCompressed)};
  if (stretch.Has(MapStretch::kHasOffset)) {
    entry.offset = stretch.file_offset;
    entry.filename = file;
  }
  return entry;
}

}  // namespace

absl::StatusOr<MapReport> Map(const MapOptions& options) {
  const VerbRun* running = nullptr;
  const auto data_bytes = [&running] {
    // A child has compared already.
    return running->broker() == nullptr ? ~std::uint64_t{0} : running->broker()->data_bytes();
  };
  const auto take = [&](const MapStretch& stretch) {
    if (running->hands_on()) return true;
    const auto number = static_cast<std::size_t>(stretch.device);
    const bool known = number < running->files().size();
    return options.entry(EntryOf(
        stretch, known ? std::string_view(running->files()[number].path) : std::string_view()));
  };
  MapStream stream(options.start, options.max_length, data_bytes, take);
  VerbRun run("map", ShownName(options.image), options.sandbox, stream);
  running = &run;
  const auto isolation = run.Run([&] { return MapHere(options, run, stream); });
  if (stream.stopped()) return absl::CancelledError("map: cancelled");
  if (!isolation.ok()) return isolation.status();
  if (stream.empty() && !options.entry({.start = options.start})) {
    return absl::CancelledError("map: cancelled");
  }
  MapReport report{
      .virtual_size = stream.disk_bytes().value_or(0), .isolation = *isolation, .warnings = {}};
  if (stream.unfit_footer()) report.warnings.push_back(UnfitFooterWarning(options.image));
  return report;
}

}  // namespace instar::vmm
