// instar map: lists which parts of a virtual disk hold data, and where.
#include "cli/deadline.h"
#include "cli/map_arguments.h"
#include "cli/map_output.h"
#include "cli/program.h"
#include "cli/strict_profile.h"
#include "cli/verb.h"
#include "instar/vmm/map.h"
#include "verbs/open_image.h"

namespace instar::cli {

int RunMap(std::span<const std::string> arguments, SandboxSettings settings) {
  OrStop<MapCommand> command = ReadMapArguments(arguments, std::move(settings));
  if (!command) return Conclude(command.error());
  StartDeadline(command->settings.sandbox,
                {.file = vmm::ShownName(command->options.image), .verb = "map"});
  if (const int failure = SettleIsolation(command->settings); failure != 0) return failure;
  if (JudgeSources(command->settings, {&command->options.image, 1}, command->options.force_share) !=
      Judgement::kPassed) {
    return 1;
  }
  command->options.sandbox = command->settings.sandbox;

  MapOutput output(command->json, command->settings.qemu_version,
                   command->settings.sandbox.max_output_bytes, PrintOutput);
  bool begun = false;
  bool refused = false;
  command->options.entry = [&](const vmm::MapEntry& entry) {
    if (!begun) output.Begin();
    begun = true;
    refused = !output.Add(entry);
    return !refused;
  };
  const absl::StatusOr<vmm::MapReport> report = vmm::Map(command->options);
  if (!report.ok()) {
    // As qemu-img does, what was found out before the fault is shown.
    const int printed = begun ? output.Finish(/*complete=*/false) : 0;
    if (!refused) return PrintError(report.status());
    return output.failure().empty() || printed != 0 ? 1 : PrintError(output.failure());
  }
  ConfirmIsolation(command->settings, report->isolation);
  for (const std::string& warning : report->warnings) PrintError("warning: " + warning);
  return output.Finish(/*complete=*/true);
}

}  // namespace instar::cli
