// instar info: shows what an image is.
#include <ctime>
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/commands.h"
#include "cli/info_human.h"
#include "cli/info_json.h"
#include "cli/program.h"
#include "cli/strict_profile.h"
#include "cli/verb.h"
#include "instar/verb_table.h"
#include "instar/vmm/info.h"
#include "verbs/open_image.h"
#include "verbs/time_limit.h"

namespace instar::cli {
namespace {

constexpr OptionRow kRows[] = {
    kFormatRow<&InfoCommand::image>,
    kImageOptsRow<&InfoCommand::image, &OneImage::form, &ImageForm::options>,
    kOutputRow<&InfoCommand::image>,
    Flag<&InfoCommand::options, &vmm::InfoOptions::backing_chain>(
        "backing-chain",
        "show the backing files too, and theirs; JSON is then an array, the image itself first"),
    Flag<&InfoCommand::options, &vmm::InfoOptions::partitions>(
        "partitions", "show the partition table (MBR or GPT) of a raw image, too"),
    kForceShareRow<&InfoCommand::options, &vmm::InfoOptions::force_share>,
    kHelpRow,
    kObjectRow,
};

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
  if (command.image.json) {
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

OrStop<void> InfoCommand::TakeOperands(std::vector<std::string> operands) {
  INSTAR_TRY(image.TakeOperands(std::move(operands)));
  INSTAR_ASSIGN_OR_RETURN(options.image, image.Spec());
  // As qemu-img does: what is shown of a chain is what the images say of it.
  if (!options.image.backing.empty()) {
    return Refusal("Could not open '" + image.name +
                   "': info does not support the option 'backing'");
  }
  options.image.backing_ends = false;
  if (!settings.strict) return {};
  if (options.backing_chain || options.partitions) {
    return Refusal("--strict gives a verdict on one image: no --backing-chain, no --partitions");
  }
  if (options.image.window) return Refusal("--strict judges whole files: no offset, no size");
  return {};
}

int InfoCommand::Run(const Verb& verb) {
  if (const int failure =
          BeginRun(settings, verb, vmm::ShownName(options.image), {.own = vmm::kShortTimeLimit})) {
    return failure;
  }
  if (settings.strict) return GiveVerdict(*this);
  const Judgement judgement = JudgeSources(settings, {&options.image, 1}, options.force_share);
  if (judgement != Judgement::kPassed) {
    return judgement == Judgement::kRefused ? kRefused : kNotJudged;
  }
  options.sandbox = settings.sandbox;
  // Snapshots are dated in local time, and after Info has put up the jail no file can be read.
  if (!image.json) tzset();
  std::vector<vmm::OpenedReference> opened;
  CollectReferences(options.sandbox.notices, opened);
  const absl::StatusOr<vmm::InfoReport> report = vmm::Info(options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmRun(settings, *report);
  TextOutput out(settings.sandbox.max_output_bytes, PrintOutput);
  if (image.json) {
    WriteInfoJson(report->images, opened, options.backing_chain, settings.qemu_version, out);
  } else {
    WriteInfoText(report->images, settings.qemu_version, out);
  }
  return out.Finish();
}

extern constinit const Verb kInfo = {
    kGuestVerb<InfoRequest>.name,
    kGuestVerb<InfoRequest>.brief,
    "[OPTION...] FILE",
    "Shows what the image FILE is. Opens no other file but the extents of a VMDK, unless\n"
    "--backing-chain asks for it.\n",
    kRows,
    RunAs<InfoCommand>,
};

}  // namespace instar::cli
