// instar check: looks for inconsistencies in an image.
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/check_output.h"
#include "cli/edit_messages.h"
#include "cli/interruption.h"
#include "cli/program.h"
#include "cli/shared_options.h"
#include "cli/verb.h"
#include "formats/base/formats.h"
#include "instar/verb_table.h"
#include "instar/vmm/check.h"
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

struct CheckCommand {
  SandboxSettings settings;
  OneImage image;
  vmm::CheckOptions options;
  std::string cache = "writeback";
  bool quiet = false;

  OrStop<void> TakeOperands(std::vector<std::string> operands) {
    INSTAR_TRY(image.TakeOperands(std::move(operands)));
    INSTAR_ASSIGN_OR_RETURN(options.cache, ReadCacheMode(cache, "source cache"));
    if (options.dry_run && options.repair == RepairMode::kNone) {
      return UsageError("--dry-run goes with --repair");
    }
    if (!Changes()) {
      INSTAR_ASSIGN_OR_RETURN(options.image, image.Spec());
      return {};
    }
    INSTAR_ASSIGN_OR_RETURN(options.image, ReadEditedImageSpec(image.name, image.form));
    if (options.force_share || options.image.force_share) {
      return Refusal("Could not open '" + image.name +
                     "': force-share=on can only be used with read-only images");
    }
    return {};
  }
  [[nodiscard]] bool Changes() const {
    return options.repair != RepairMode::kNone && !options.dry_run;
  }
  int Run(const Verb& verb);
};

OrStop<RepairMode> ReadRepair(const GivenOption& given) {
  if (given.value == "leaks") return RepairMode::kLeaks;
  if (given.value == "all") return RepairMode::kAll;
  return UsageError("Unknown option value for -r (expecting 'leaks' or 'all'): " + given.value);
}

constexpr OptionRow kRows[] = {
    kFormatRow<&CheckCommand::image>,
    kImageOptsRow<&CheckCommand::image, &OneImage::form, &ImageForm::options>,
    kOutputRow<&CheckCommand::image>,
    Text<&CheckCommand::cache>("cache,T", kAlternatives<kCacheModes>.data(),
                               "how to read (default writeback)"),
    kForceShareRow<&CheckCommand::options, &vmm::CheckOptions::force_share>,
    Flag<&CheckCommand::quiet>("quiet,q", "print findings and errors only"),
    kHelpRow,
    Value<ReadRepair, &CheckCommand::options, &vmm::CheckOptions::repair>(
        "repair,r", "leaks|all",
        "repair the image: only leaks, which waste storage, or all that can be repaired"),
    Flag<&CheckCommand::options, &vmm::CheckOptions::dry_run>(
        "dry-run", "with --repair: say what it would do, and change nothing"),
    kObjectRow,
};

int SayUnsupported(const CheckCommand& command, const vmm::CheckResult& report) {
  if (command.options.repair != RepairMode::kNone && PropertiesOf(report.format).can_be_repaired) {
    return PrintError(
        "repairing images of this format (-r) is not available in this version; "
        "nothing was checked or changed");
  }
  PrintError("This image format does not support checks");
  return kNotSupported;
}

int CheckCommand::Run(const Verb& verb) {
  if (const int failure = Begin(*this, verb, vmm::ShownName(options.image), {&options.image, 1})) {
    return failure;
  }
  if (Changes()) EndChangesOnInterruption(vmm::ShownName(options.image), verb.name);
  const absl::StatusOr<vmm::CheckResult> report = vmm::Check(options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmRun(settings, *report);
  if (Changes() && IsBareDisk(report->format) && options.image.format.empty()) {
    WarnOfGuess(options.image);
  }
  if (!report->supported) return SayUnsupported(*this, *report);
  TextOutput findings(TextOutput::kNoLimit, [](std::string_view piece) {
    return WriteAll(STDERR_FILENO, piece) ? 0 : 1;
  });
  WriteFindingLines(*report, options.dry_run, findings);
  findings.Finish();
  if (!quiet) {
    TextOutput out(settings.sandbox.max_output_bytes, PrintOutput);
    if (image.json) {
      WriteCheckJson(*report, image.name, out);
    } else {
      out.Add(CheckText(*report, options.dry_run));
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

}  // namespace

extern constinit const Verb kCheck = {
    kGuestVerb<CheckRequest>.name,
    kGuestVerb<CheckRequest>.brief,
    "[OPTION...] FILE",
    "Looks for inconsistencies in the metadata of the image FILE. With -r it repairs a qcow2 "
    "image:\n"
    "the file holds the damaged image or the repaired one at every moment, and what a disk read "
    "as\n"
    "it goes on to read as. Else it changes nothing.\n"
    "Exit code: 0 none, 1 the check could not be completed, 2 the image is corrupt, 3 storage is\n"
    "wasted but nothing wrong, 63 images of this format have nothing that could be checked.\n",
    kRows,
    RunAs<CheckCommand>,
};

}  // namespace instar::cli
