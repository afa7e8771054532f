// instar dd: copies part of a virtual disk into a new image.
#include "cli/dd_arguments.h"
#include "cli/deadline.h"
#include "cli/interruption.h"
#include "cli/program.h"
#include "cli/strict_profile.h"
#include "cli/verb.h"
#include "instar/vmm/dd.h"
#include "verbs/open_image.h"

namespace instar::cli {

int RunDd(std::span<const std::string> arguments, SandboxSettings settings) {
  OrStop<DdCommand> command = ReadDdArguments(arguments, std::move(settings));
  if (!command) return Conclude(command.error());
  StartDeadline(command->settings.sandbox,
                {.file = vmm::ShownName(command->options.source), .verb = "dd"});
  if (const int failure = SettleIsolation(command->settings); failure != 0) return failure;
  if (JudgeSources(command->settings, {&command->options.source, 1},
                   command->options.force_share) != Judgement::kPassed) {
    return 1;
  }
  command->options.sandbox = command->settings.sandbox;
  command->options.reproducible = command->settings.reproducible;

  RemoveTargetsOnInterruption();
  const absl::StatusOr<vmm::ConvertReport> report = vmm::Dd(command->options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmIsolation(command->settings, report->isolation);
  for (const std::string& warning : report->warnings) {
    // qemu-img says this one without calling it a warning.
    const bool is_skip = warning.ends_with(": cannot skip to specified offset");
    PrintError(is_skip ? warning : "warning: " + warning);
  }
  return 0;
}

}  // namespace instar::cli
