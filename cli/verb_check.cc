// instar check: looks for inconsistencies in an image.
#include <unistd.h>

#include "cli/check_arguments.h"
#include "cli/check_output.h"
#include "cli/deadline.h"
#include "cli/program.h"
#include "cli/strict_profile.h"
#include "cli/verb.h"
#include "instar/vmm/check.h"
#include "instar/vmm/info.h"
#include "verbs/open_image.h"

namespace instar::cli {
namespace {

enum ExitCode : int {
  kClean = 0,
  kNotCompleted = 1,
  kCorrupt = 2,
  kLeaks = 3,
  kNotSupported = 63,
};

// What becomes of -r: repairing is not there yet, and some formats have none.
int RefuseRepair(const CheckCommand& command) {
  const absl::StatusOr<vmm::InfoReport> info =
      vmm::Info({.image = command.options.image,
                 .backing_chain = false,
                 .partitions = false,
                 .force_share = command.options.force_share,
                 .sandbox = command.options.sandbox});
  if (!info.ok()) return PrintError(info.status());
  const vmm::ReportValue& report = info->images.front().report;
  const std::string_view format = report.StringAt("format");
  if (format != "qcow2" && format != "vhdx") {
    PrintError("This image format does not support repairs");
    return kNotSupported;
  }
  return PrintError(
      "repairing images (-r) is not available in this version; nothing was checked or changed");
}

}  // namespace

int RunCheck(std::span<const std::string> arguments, SandboxSettings settings) {
  OrStop<CheckCommand> command = ReadCheckArguments(arguments, std::move(settings));
  if (!command) return Conclude(command.error());
  StartDeadline(command->settings.sandbox,
                {.file = vmm::ShownName(command->options.image), .verb = "check"});
  if (const int failure = SettleIsolation(command->settings); failure != 0) return failure;
  if (JudgeSources(command->settings, {&command->options.image, 1}, command->options.force_share) !=
      Judgement::kPassed) {
    return kNotCompleted;
  }
  command->options.sandbox = command->settings.sandbox;
  if (command->repair) return RefuseRepair(*command);
  const absl::StatusOr<vmm::CheckReport> report = vmm::Check(command->options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmIsolation(command->settings, report->isolation);
  for (const std::string& warning : report->warnings) PrintError("warning: " + warning);
  if (!report->supported) {
    PrintError("This image format does not support checks");
    return kNotSupported;
  }
  TextOutput findings(TextOutput::kNoLimit, [](std::string_view piece) {
    return WriteAll(STDERR_FILENO, piece) ? 0 : 1;
  });
  WriteFindingLines(*report, findings);
  findings.Finish();
  if (!command->quiet) {
    TextOutput out(command->settings.sandbox.max_output_bytes, PrintOutput);
    if (command->json) {
      WriteCheckJson(*report, command->image, out);
    } else {
      out.Add(CheckText(*report));
    }
    if (out.Finish() != 0) return kNotCompleted;
  }
  if (report->check_errors != 0) {
    PrintError("Check failed");
    return kNotCompleted;
  }
  if (report->corruptions != 0) return kCorrupt;
  return report->leaks != 0 ? kLeaks : kClean;
}

}  // namespace instar::cli
