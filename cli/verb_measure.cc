// instar measure: tells how long the file of a new image would be.
#include <utility>

#include "cli/begin_run.h"
#include "cli/commands.h"
#include "cli/create_option_help.h"
#include "cli/json_text.h"
#include "cli/program.h"
#include "cli/verb.h"
#include "formats/base/create_options.h"
#include "instar/verb_table.h"
#include "instar/vmm/measure.h"
#include "verbs/open_image.h"

namespace instar::cli {
namespace {

using Options = vmm::MeasureOptions;

OrStop<void> TakeOutput(MeasureCommand& command, GivenOption& given) {
  INSTAR_ASSIGN_OR_RETURN(command.json, ReadForm(given.value));
  return {};
}

constexpr OptionRow kRows[] = {
    Text<&MeasureCommand::options, &Options::target_format>(
        "target-format,O", "FORMAT", "format of the new image (default raw)"),
    OptionLists<&MeasureCommand::options, &Options::target_options>(
        "target-format-options,o", "options of that format; may be repeated; '-o help' lists them"),
    Size<"image size", &MeasureCommand::size_bytes>(
        "size,s", "measure an empty disk of SIZE bytes instead of an image"),
    Text<&MeasureCommand::image, &ImageForm::format>(
        "source-format,f", "FORMAT", "take FILE for this format instead of looking at its content"),
    Text<&MeasureCommand::image, &ImageForm::format>("format", "FORMAT", ""),
    kImageOptsRow<&MeasureCommand::image, &ImageForm::options>,
    kSnapshotRow<&MeasureCommand::snapshot>,
    Call<TakeOutput>("output", kForms, kFormHelp),
    kForceShareRow<&MeasureCommand::options, &Options::force_share>,
    kHelpRow,
    kObjectRow,
};

void WriteJson(const vmm::MeasureReport& report, TextOutput& out) {
  JsonWriter json(out);
  json.BeginObject({});
  if (report.bitmap_bytes) json.Unsigned("bitmaps", *report.bitmap_bytes);
  json.Unsigned("required", report.required_bytes);
  json.Unsigned("fully-allocated", report.fully_allocated_bytes);
  json.EndObject();
  out.Add('\n');
}

std::string TextOf(const vmm::MeasureReport& report) {
  std::string text = "required size: " + std::to_string(report.required_bytes) + '\n';
  text += "fully allocated size: " + std::to_string(report.fully_allocated_bytes) + '\n';
  if (report.bitmap_bytes) {
    text += "bitmaps size: " + std::to_string(*report.bitmap_bytes) + '\n';
  }
  return text;
}

}  // namespace

OrStop<void> MeasureCommand::TakeOperands(std::vector<std::string> operands) {
  if (operands.size() > 1) return Refusal("At most one filename argument is allowed.");
  const bool file = !operands.empty();
  if (!file && (!image.format.empty() || image.options || snapshot)) {
    return Refusal("--image-opts, -f, and -l require a filename argument.");
  }
  if (file && size_bytes) return Refusal("--size N cannot be used together with a filename.");
  if (AsksForHelp(options.target_options)) return CreateOptionHelp(options.target_format);
  if (!file && !size_bytes) return Refusal("Either --size N or one filename must be specified.");
  if (file && operands.front().empty() && !image.options) {
    return Refusal("Could not open '': The 'file' block driver requires a file name");
  }
  if (file) {
    INSTAR_ASSIGN_OR_RETURN(options.image, ReadImageSpec(operands.front(), image));
  }
  options.size_bytes = size_bytes.value_or(0);
  if (snapshot) options.snapshot = *std::move(snapshot);
  return {};
}

int MeasureCommand::Run(const Verb& verb) {
  const std::size_t images = options.image.path.empty() ? 0 : 1;
  if (const int failure =
          Begin(*this, verb, vmm::ShownName(options.image), {&options.image, images})) {
    return failure;
  }
  const absl::StatusOr<vmm::MeasureReport> report = vmm::Measure(options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmRun(settings, *report);
  TextOutput out(settings.sandbox.max_output_bytes, PrintOutput);
  if (json) {
    WriteJson(*report, out);
  } else {
    out.Add(TextOf(*report));
  }
  return out.Finish();
}

extern constinit const Verb kMeasure = {
    kGuestVerb<MeasureRequest>.name,
    kGuestVerb<MeasureRequest>.brief,
    "[OPTION...] FILE\n[OPTION...] --size SIZE",
    "Calculates how long the file would be that convert makes of the image FILE, or create of a\n"
    "disk of SIZE bytes.\n",
    kRows,
    RunAs<MeasureCommand>,
};

}  // namespace instar::cli
