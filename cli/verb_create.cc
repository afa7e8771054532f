// instar create: makes an empty image.
#include <utility>
#include <vector>

#include "cli/create_arguments.h"
#include "cli/deadline.h"
#include "cli/formatting_line.h"
#include "cli/interruption.h"
#include "cli/program.h"
#include "cli/strict_profile.h"
#include "cli/verb.h"
#include "instar/vmm/create.h"
#include "verbs/time_limit.h"

namespace instar::cli {

int RunCreate(std::span<const std::string> arguments, SandboxSettings settings) {
  OrStop<CreateCommand> command = ReadCreateArguments(arguments, std::move(settings));
  if (!command) return Conclude(command.error());
  StartDeadline(command->settings.sandbox, {.file = command->options.path, .verb = "create"},
                vmm::OwnTimeLimit(command->options));
  if (const int failure = SettleIsolation(command->settings); failure != 0) return failure;
  // What -u leaves unchecked need not exist; but a vmdk image notes what it is a child of.
  std::vector<vmm::ImageSpec> sources;
  if (command->options.check_backing || command->options.format == "vmdk") {
    if (auto backing =
            BackingOf(command->options.path, command->options.backing_file,
                      command->options.backing_format, command->options.format_options)) {
      sources.push_back(*std::move(backing));
    }
  }
  if (JudgeSources(command->settings, sources, /*force_share=*/true) != Judgement::kPassed) {
    return 1;
  }
  command->options.sandbox = command->settings.sandbox;
  command->options.reproducible = command->settings.reproducible;

  int printed = 0;
  if (!command->quiet) {
    command->options.announce = [&command, &printed](const vmm::CreateReport& report) {
      printed = PrintOutput(FormattingLine({.path = command->options.path,
                                            .format = FormatFromName(command->options.format),
                                            .options = command->options.format_options,
                                            .virtual_size_bytes = report.virtual_size_bytes,
                                            .backing_file = report.backing_file,
                                            .backing_format = report.backing_format}));
    };
  }
  RemoveTargetsOnInterruption();
  const absl::StatusOr<vmm::CreateReport> report = vmm::Create(command->options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmIsolation(command->settings, report->isolation);
  return printed;
}

}  // namespace instar::cli
