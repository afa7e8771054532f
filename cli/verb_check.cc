// instar check: looks for inconsistencies in an image.
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/check_output.h"
#include "cli/program.h"
#include "cli/shared_options.h"
#include "cli/verb.h"
#include "formats/base/formats.h"
#include "instar/verb_table.h"
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

struct CheckCommand {
  SandboxSettings settings;
  OneImage image;
  vmm::CheckOptions options;
  std::string cache = "writeback";
  bool quiet = false;
  bool repair = false;  // -r, of which it can only be said whether the format has it

  OrStop<void> TakeOperands(std::vector<std::string> operands) {
    INSTAR_TRY(image.TakeOperands(std::move(operands)));
    INSTAR_ASSIGN_OR_RETURN(options.cache, ReadCacheMode(cache, "source cache"));
    INSTAR_ASSIGN_OR_RETURN(options.image, image.Spec());
    return {};
  }
  int Run(const Verb& verb);
};

OrStop<bool> ReadRepair(const GivenOption& given) {
  if (given.value == "leaks" || given.value == "all") return true;
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
    Value<ReadRepair, &CheckCommand::repair>("repair,r", "leaks|all", ""),
    kObjectRow,
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
  const vmm::ReportTree& report = info->images.front().report;
  if (!PropertiesOf(FormatFromName(report.StringAt("format"))).can_be_repaired) {
    PrintError("This image format does not support repairs");
    return kNotSupported;
  }
  return PrintError(
      "repairing images (-r) is not available in this version; nothing was checked or changed");
}

int CheckCommand::Run(const Verb& verb) {
  if (const int failure = Begin(*this, verb, vmm::ShownName(options.image), {&options.image, 1})) {
    return failure;
  }
  if (repair) return RefuseRepair(*this);
  const absl::StatusOr<vmm::CheckResult> report = vmm::Check(options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmRun(settings, *report);
  if (!report->supported) {
    PrintError("This image format does not support checks");
    return kNotSupported;
  }
  TextOutput findings(TextOutput::kNoLimit, [](std::string_view piece) {
    return WriteAll(STDERR_FILENO, piece) ? 0 : 1;
  });
  WriteFindingLines(*report, findings);
  findings.Finish();
  if (!quiet) {
    TextOutput out(settings.sandbox.max_output_bytes, PrintOutput);
    if (image.json) {
      WriteCheckJson(*report, image.name, out);
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

}  // namespace

extern constinit const Verb kCheck = {
    kGuestVerb<CheckRequest>.name,
    kGuestVerb<CheckRequest>.brief,
    "[OPTION...] FILE",
    "Looks for inconsistencies in the metadata of the image FILE. Changes nothing.\n"
    "Exit code: 0 none, 1 the check could not be completed, 2 the image is corrupt, 3 storage is\n"
    "wasted but nothing wrong, 63 images of this format have nothing that could be checked.\n",
    kRows,
    RunAs<CheckCommand>,
};

}  // namespace instar::cli
