// instar info: shows what an image is.
#include <ctime>
#include <utility>
#include <vector>

#include "cli/deadline.h"
#include "cli/info_arguments.h"
#include "cli/info_human.h"
#include "cli/info_json.h"
#include "cli/program.h"
#include "cli/strict_profile.h"
#include "cli/verb.h"
#include "instar/vmm/info.h"
#include "verbs/open_image.h"
#include "verbs/time_limit.h"

namespace instar::cli {
namespace {

enum ExitCode : int {
  kNotJudged = 1,
  kRefused = 2,
};

// info --strict: the verdict instead of a description.
int GiveVerdict(InfoCommand& command) {
  const vmm::ImageSpec& image = command.options.image;
  const absl::StatusOr<vmm::StrictVerdict> verdict =
      vmm::Inspect({.path = image.path,
                    .format = image.format,
                    .force_share = command.options.force_share || image.force_share,
                    .sandbox = command.settings.sandbox});
  if (!verdict.ok()) return PrintError(verdict.status());
  ConfirmIsolation(command.settings, verdict->isolation);
  TextOutput out(command.settings.sandbox.max_output_bytes, PrintOutput);
  if (command.json) {
    WriteVerdictJson(*verdict, out);
  } else {
    out.Add(VerdictText(*verdict));
  }
  if (out.Finish() != 0) return kNotJudged;
  return verdict->passed ? 0 : kRefused;
}

// Has `opened` filled, besides what is done with them anyway. qemu-img's JSON has no such member,
// so under its name there are none.
void CollectReferences(vmm::Notices& notices, std::vector<vmm::OpenedReference>& opened) {
  if (ProgramName() == "qemu-img") return;
  notices.reference_opened =
      [&opened, also = std::move(notices.reference_opened)](const vmm::OpenedReference& reference) {
        opened.push_back(reference);
        if (also) also(reference);
      };
}

}  // namespace

int RunInfo(std::span<const std::string> arguments, SandboxSettings settings) {
  OrStop<InfoCommand> command = ReadInfoArguments(arguments, std::move(settings));
  if (!command) return Conclude(command.error());
  StartDeadline(command->settings.sandbox,
                {.file = vmm::ShownName(command->options.image), .verb = "info"},
                vmm::kShortTimeLimit);
  if (const int failure = SettleIsolation(command->settings); failure != 0) return failure;
  if (command->settings.strict) return GiveVerdict(*command);
  const Judgement judgement =
      JudgeSources(command->settings, {&command->options.image, 1}, command->options.force_share);
  if (judgement != Judgement::kPassed) {
    return judgement == Judgement::kRefused ? kRefused : kNotJudged;
  }
  command->options.sandbox = command->settings.sandbox;
  // Snapshots are dated in local time, and after Info has put up the jail no file can be read.
  if (!command->json) tzset();
  std::vector<vmm::OpenedReference> opened;
  CollectReferences(command->options.sandbox.notices, opened);
  const absl::StatusOr<vmm::InfoReport> report = vmm::Info(command->options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmIsolation(command->settings, report->isolation);
  for (const std::string& warning : report->warnings) PrintError("warning: " + warning);
  const QemuVersion version = command->settings.qemu_version;
  TextOutput out(command->settings.sandbox.max_output_bytes, PrintOutput);
  if (command->json) {
    WriteInfoJson(report->images, opened, command->options.backing_chain, version, out);
  } else {
    WriteInfoText(report->images, version, out);
  }
  return out.Finish();
}

}  // namespace instar::cli
