// instar measure: tells how long the file of a new image would be.
#include "cli/json_text.h"
#include "cli/measure_arguments.h"
#include "cli/program.h"
#include "cli/verb.h"
#include "instar/vmm/measure.h"

namespace instar::cli {
namespace {

void Add(vmm::ReportValue::Object& members, const char* key, std::uint64_t number) {
  members.emplace_back();
  members.back().first = key;
  members.back().second.storage() = number;
}

std::string Json(const vmm::MeasureReport& report) {
  vmm::ReportValue::Object members;
  if (report.bitmap_bytes) Add(members, "bitmaps", *report.bitmap_bytes);
  Add(members, "required", report.required_bytes);
  Add(members, "fully-allocated", report.fully_allocated_bytes);
  return JsonText(vmm::ReportValue(std::move(members))) + '\n';
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
  if (const int failure = SettleIsolation(command->settings); failure != 0) return failure;
  command->options.sandbox = command->settings.sandbox;
  const absl::StatusOr<vmm::MeasureReport> report = vmm::Measure(command->options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmIsolation(command->settings, report->isolation);
  return PrintOutput(command->json ? Json(*report) : Text(*report));
}

}  // namespace instar::cli
