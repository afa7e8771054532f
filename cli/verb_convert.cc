// instar convert: copies a virtual disk into a new image.
#include <unistd.h>

#include "cli/convert_arguments.h"
#include "cli/deadline.h"
#include "cli/interruption.h"
#include "cli/program.h"
#include "cli/progress_line.h"
#include "cli/verb.h"
#include "instar/vmm/convert.h"
#include "verbs/open_image.h"

namespace instar::cli {

int RunConvert(std::span<const std::string> arguments, SandboxSettings settings) {
  OrStop<ConvertCommand> command = ReadConvertArguments(arguments, std::move(settings));
  if (!command) return Conclude(command.error());
  StartDeadline(command->settings.sandbox,
                {.file = vmm::ShownName(command->options.sources.front()), .verb = "convert"});
  if (const int failure = SettleIsolation(command->settings); failure != 0) return failure;
  command->options.sandbox = command->settings.sandbox;
  command->options.reproducible = command->settings.reproducible;

  RemoveTargetsOnInterruption();
  // Nothing but the image goes where the image goes.
  const bool to_output = vmm::WritesStandardOutput(command->options.target);
  ProgressLine progress(command->progress, to_output ? STDERR_FILENO : STDOUT_FILENO);
  command->options.progress = [&progress](std::uint64_t done, std::uint64_t total) {
    progress.Update(done, total);
  };
  const absl::StatusOr<vmm::ConvertReport> report = vmm::Convert(command->options);
  progress.Finish(report.ok());
  if (!report.ok()) return PrintError(report.status());
  ConfirmIsolation(command->settings, report->isolation);
  if (!command->quiet) {
    for (const std::string& warning : report->warnings) PrintError("warning: " + warning);
  }
  return 0;
}

}  // namespace instar::cli
