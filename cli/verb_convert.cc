// instar convert: copies a virtual disk into a new image.
#include <unistd.h>

#include <utility>
#include <vector>

#include "cli/convert_arguments.h"
#include "cli/deadline.h"
#include "cli/interruption.h"
#include "cli/program.h"
#include "cli/progress_line.h"
#include "cli/strict_profile.h"
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
  std::vector<vmm::ImageSpec> sources = command->options.sources;
  if (auto backing = BackingOf(command->options.target, command->options.backing_file,
                               command->options.backing_format, command->options.target_options)) {
    sources.push_back(*std::move(backing));
  }
  if (JudgeSources(command->settings, sources, command->options.force_share) !=
      Judgement::kPassed) {
    return 1;
  }
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
