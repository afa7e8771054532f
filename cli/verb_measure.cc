// instar measure: tells how long the file of a new image would be.
#include "cli/deadline.h"
#include "cli/json_text.h"
#include "cli/measure_arguments.h"
#include "cli/program.h"
#include "cli/strict_profile.h"
#include "cli/verb.h"
#include "instar/vmm/measure.h"
#include "verbs/open_image.h"

namespace instar::cli {
namespace {

void WriteJson(const vmm::MeasureReport& report, TextOutput& out) {
  JsonWriter json(out);
  json.BeginObject({});
  if (report.bitmap_bytes) json.Unsigned("bitmaps", *report.bitmap_bytes);
  json.Unsigned("required", report.required_bytes);
  json.Unsigned("fully-allocated", report.fully_allocated_bytes);
  json.EndObject();
  out.Add('\n');
}

std::string Text(const vmm::MeasureReport& report) {
  std::string text = "required size: " + std::to_string(report.required_bytes) + '\n';
  text += "fully allocated size: " + std::to_string(report.fully_allocated_bytes) + '\n';
  if (report.bitmap_bytes) {
    text += "bitmaps size: " + std::to_string(*report.bitmap_bytes) + '\n';
  }
  return text;
}

}  // namespace

int RunMeasure(std::span<const std::string> arguments, SandboxSettings settings) {
  OrStop<MeasureCommand> command = ReadMeasureArguments(arguments, std::move(settings));
  if (!command) return Conclude(command.error());
  StartDeadline(command->settings.sandbox,
                {.file = vmm::ShownName(command->options.image), .verb = "measure"});
  if (const int failure = SettleIsolation(command->settings); failure != 0) return failure;
  if (JudgeSources(command->settings,
                   {&command->options.image, command->options.image.path.empty() ? 0u : 1u},
                   command->options.force_share) != Judgement::kPassed) {
    return 1;
  }
  command->options.sandbox = command->settings.sandbox;
  const absl::StatusOr<vmm::MeasureReport> report = vmm::Measure(command->options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmIsolation(command->settings, report->isolation);
  for (const std::string& warning : report->warnings) PrintError("warning: " + warning);
  TextOutput out(command->settings.sandbox.max_output_bytes, PrintOutput);
  if (command->json) {
    WriteJson(*report, out);
  } else {
    out.Add(Text(*report));
  }
  return out.Finish();
}

}  // namespace instar::cli
