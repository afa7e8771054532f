#include "instar/vmm/amend.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "broker/broker.h"
#include "formats/base/create_options.h"
#include "formats/base/formats.h"
#include "instar/requests.h"
#include "report/one_record.h"
#include "verbs/convert_target.h"
#include "verbs/edit_run.h"
#include "verbs/open_image.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

// The options that `image` may have: those of the format that the user states, else those of the
// only format that has any. The guest refuses all others, whatever is asked for.
std::span<const OptionSpec> SpecsFor(const ImageSpec& image) {
  std::span<const OptionSpec> specs = PropertiesOf(FormatFromName(image.format)).amend_options;
  for (const FormatProperties& row : kFormatProperties) {
    if (specs.empty()) specs = row.amend_options;
  }
  return specs;
}

absl::StatusOr<Isolation> AmendHere(const AmendOptions& options, const CreateOptionList& settings,
                                    bool only_look, const std::string& data_file, VerbRun& run) {
  return EditHere({.image = options.image,
                   .data_file = data_file,
                   .cache = options.cache,
                   .virtual_bytes = SettingNumber(settings.settings(), "size", 0)},
                  run, [&](Broker& broker, const EditedSource& source, const GuestChoice& choice) {
                    return run.Guest(broker,
                                     AmendRequest{.image = source.image,
                                                  .data_file = source.data_file,
                                                  .options = settings.settings(),
                                                  .shrink = options.shrink,
                                                  .only_look = only_look,
                                                  .max_chain_depth = run.sandbox().max_chain_depth},
                                     choice);
                  });
}

}  // namespace

absl::StatusOr<AmendReport> Amend(const AmendOptions& options) {
  const absl::StatusOr<std::string> data_file = DataFileOf(options.image, options.sandbox);
  if (!data_file.ok()) return data_file.status();
  // What is wrong with the options is said once the image is known to open.
  const bool asks = AsksForHelp(options.image_options);
  absl::StatusOr<CreateOptionList> settings =
      asks ? CreateOptionList() : ReadOptionList(SpecsFor(options.image), options.image_options);
  const absl::Status fault = settings.status();
  if (!fault.ok()) settings.emplace();
  const bool only_look = options.only_look || asks || !fault.ok();
  OneRecord<AmendRecord> told;
  VerbRun run("amend", ShownName(options.image), options.sandbox, told);
  const absl::StatusOr<Isolation> isolation =
      run.Run([&] { return AmendHere(options, *settings, only_look, *data_file, run); });
  AmendReport report;
  TakeRecord(told, isolation, options, report);
  if (!isolation.ok()) return isolation.status();
  if (!fault.ok()) return fault;
  report.isolation = *isolation;
  return report;
}

}  // namespace instar::vmm
