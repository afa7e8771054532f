// instar snapshot: lists, takes, applies and deletes internal snapshots, in place.
#include <time.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/edit_messages.h"
#include "cli/info_human.h"
#include "cli/info_json.h"
#include "cli/interruption.h"
#include "cli/program.h"
#include "cli/shared_options.h"
#include "cli/text_output.h"
#include "cli/verb.h"
#include "instar/verb_table.h"
#include "instar/vmm/info.h"
#include "instar/vmm/snapshot.h"
#include "verbs/open_image.h"
#include "verbs/time_limit.h"

namespace instar::cli {
namespace {

struct SnapshotCommand {
  SandboxSettings settings;
  OneImage image;
  std::string cache = "writeback";
  vmm::SnapshotOptions options;
  bool force_share = false;
  bool quiet = false;
  bool list = false;    // -l
  bool change = false;  // -a, -c or -d

  OrStop<void> TakeOperands(std::vector<std::string> operands);
  int Run(const Verb& verb);

 private:
  int List(const Verb& verb);
  [[nodiscard]] std::string Failure(const absl::Status& status) const;
};

OrStop<void> TakeOneAction(SnapshotCommand& command) {
  if (command.list || command.change) return UsageError("Cannot mix '-l', '-a', '-c', '-d'");
  return {};
}

OrStop<void> TakeList(SnapshotCommand& command, GivenOption& /*given*/) {
  INSTAR_TRY(TakeOneAction(command));
  command.list = true;
  return {};
}

template <SnapshotAction kAction>
OrStop<void> TakeChange(SnapshotCommand& command, GivenOption& given) {
  INSTAR_TRY(TakeOneAction(command));
  command.change = true;
  command.options.action = kAction;
  command.options.name = std::move(given.value);
  return {};
}

constexpr OptionRow kRows[] = {
    Call<TakeList>("list,l", nullptr, "list the snapshots (unless something else is asked for)"),
    Call<TakeChange<SnapshotAction::kCreate>>("create,c", "SNAPSHOT",
                                              "keep the disk as it is now under that name"),
    Call<TakeChange<SnapshotAction::kApply>>(
        "apply,a", "SNAPSHOT",
        "give the disk the content and the size that it had in the snapshot with that ID, or else "
        "that name; what it holds now is lost"),
    Call<TakeChange<SnapshotAction::kDelete>>("delete,d", "SNAPSHOT",
                                              "delete the first snapshot with that name"),
    kFormatRow<&SnapshotCommand::image>,
    kImageOptsRow<&SnapshotCommand::image, &OneImage::form, &ImageForm::options>,
    kOutputRow<&SnapshotCommand::image>,
    Text<&SnapshotCommand::cache>("cache,t", kAlternatives<kCacheModes>.data(),
                                  "how to write (default writeback); unsafe does not flush"),
    kForceShareRow<&SnapshotCommand::force_share>,
    Flag<&SnapshotCommand::quiet>("quiet,q", "print nothing but errors and the list"),
    kHelpRow,
    kObjectRow,
};

OrStop<void> SnapshotCommand::TakeOperands(std::vector<std::string> operands) {
  INSTAR_TRY(image.TakeOperands(std::move(operands)));
  INSTAR_ASSIGN_OR_RETURN(options.cache, ReadCacheMode(cache, "cache"));
  if (!change) {
    INSTAR_ASSIGN_OR_RETURN(options.image, image.Spec());
    return {};
  }
  INSTAR_ASSIGN_OR_RETURN(options.image, ReadEditedImageSpec(image.name, image.form));
  if (force_share || options.image.force_share) {
    return Refusal("Could not open '" + image.name +
                   "': force-share=on can only be used with read-only images");
  }
  return {};
}

int SnapshotCommand::List(const Verb& verb) {
  if (const int failure =
          BeginRun(settings, verb, vmm::ShownName(options.image), {.own = vmm::kShortTimeLimit})) {
    return failure;
  }
  if (JudgeSources(settings, {&options.image, 1}, force_share) != Judgement::kPassed) {
    return verb.failure;
  }
  options.image.backing.clear();
  // Snapshots are dated in local time, and after Info has put up the jail no file can be read.
  if (!image.json) tzset();
  const absl::StatusOr<vmm::InfoReport> report =
      vmm::Info({.image = options.image, .force_share = force_share, .sandbox = settings.sandbox});
  if (!report.ok()) return PrintError(report.status());
  ConfirmRun(settings, *report);
  if (!list && settings.qemu_version < kSnapshotLists) return 0;
  const std::optional<vmm::ReportTree> snapshots = report->images.front().report.Find("snapshots");
  TextOutput out(settings.sandbox.max_output_bytes, PrintOutput);
  if (image.json) {
    WriteSnapshotsJson(snapshots.value_or(vmm::ReportTree()), out);
  } else if (snapshots && !snapshots->members().empty()) {
    WriteSnapshotTable(*snapshots, settings.qemu_version, out);
  }
  return out.Finish();
}

// What is said where the image could be opened and was not changed.
std::string SnapshotCommand::Failure(const absl::Status& status) const {
  std::string why(status.message());
  switch (options.action) {
    case SnapshotAction::kCreate:
      if (absl::IsUnimplemented(status) && settings.qemu_version < kNoErrorNumber) {
        why = "-95 (" + why + ")";
      }
      return "Could not create snapshot '" + options.name + "': " + why;
    case SnapshotAction::kApply:
      return "Could not apply snapshot '" + options.name + "': " + why;
    case SnapshotAction::kDelete:
      return "Could not delete snapshot '" + options.name + "': " + why;
  }
  return why;
}

int SnapshotCommand::Run(const Verb& verb) {
  if (!change) return List(verb);
  if (const int failure = Begin(*this, verb, vmm::ShownName(options.image), {&options.image, 1})) {
    return failure;
  }
  bool was_opened = false;
  options.opened = [&](const vmm::SnapshotReport& report) {
    was_opened = true;
    if (!report.guessed_raw) return;
    WarnOfGuess(options.image);
    // qemu-img opens it a second time to apply.
    if (options.action == SnapshotAction::kApply) WarnOfGuess(options.image);
  };
  options.time = std::chrono::system_clock::now();
  EndChangesOnInterruption(vmm::ShownName(options.image), verb.name);
  const absl::StatusOr<vmm::SnapshotReport> report = vmm::Snapshot(options);
  if (!report.ok()) {
    return was_opened ? PrintError(Failure(report.status())) : PrintError(report.status());
  }
  ConfirmRun(settings, *report);
  return 0;
}

}  // namespace

extern constinit const Verb kSnapshot = {
    kGuestVerb<SnapshotRequest>.name,
    kGuestVerb<SnapshotRequest>.brief,
    "[OPTION...] [-l | -a|-c|-d SNAPSHOT] FILE",
    "Lists the internal snapshots of the qcow2 image FILE, or takes, applies or deletes one. The\n"
    "file holds the old image or the new one at every moment: after an error, a signal or a crash\n"
    "it is one of the two, whole.\n",
    kRows,
    RunAs<SnapshotCommand>,
};

}  // namespace instar::cli
