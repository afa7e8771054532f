// instar amend: changes the options of an image, in place.
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/create_option_help.h"
#include "cli/edit_messages.h"
#include "cli/interruption.h"
#include "cli/program.h"
#include "cli/progress_line.h"
#include "cli/shared_options.h"
#include "cli/verb.h"
#include "formats/base/create_options.h"
#include "formats/base/formats.h"
#include "instar/verb_table.h"
#include "instar/vmm/amend.h"
#include "verbs/open_image.h"

namespace instar::cli {
namespace {

struct AmendCommand {
  SandboxSettings settings;
  ImageForm form;
  std::string cache = "writeback";
  vmm::AmendOptions options;
  bool progress = false;
  bool quiet = false;
  bool force = false;  // nothing here needs to be forced

  OrStop<void> TakeOperands(std::vector<std::string> operands);
  int Run(const Verb& verb);
};

constexpr OptionRow kRows[] = {
    Text<&AmendCommand::form, &ImageForm::format>(
        "format,f", "FORMAT",
        "take the image for this format instead of looking at its content; final, nothing is "
        "probed"),
    kImageOptsRow<&AmendCommand::form, &ImageForm::options>,
    OptionLists<&AmendCommand::options, &vmm::AmendOptions::image_options>(
        "options,o",
        "what the image is to have; may be repeated; '-o help' lists the options; a comma in a\n"
        "value is doubled"),
    kShrinkRow<&AmendCommand::options, &vmm::AmendOptions::shrink>,
    Flag<&AmendCommand::force>("force", "taken for qemu-img's sake; it makes no difference"),
    kCacheRow<&AmendCommand::cache>,
    Flag<&AmendCommand::progress>("progress,p", "show how far it is"),
    Flag<&AmendCommand::quiet>("quiet,q", "print nothing but errors"),
    kHelpRow,
    kObjectRow,
};

std::string NoAmendment(std::string_view format) {
  return "Format driver '" + std::string(format) + "' does not support option amendment";
}

OrStop<void> AmendCommand::TakeOperands(std::vector<std::string> operands) {
  if (options.image_options.empty()) return UsageError("Must specify options (-o)");
  if (!form.format.empty() && AsksForHelp(options.image_options)) {
    if (auto help = AmendOptionHelp(FormatFromName(form.format))) return Answer(*std::move(help));
    if (FormatFromName(form.format) == FormatId::kUnknown) {
      return Refusal("Unknown file format '" + form.format + "'");
    }
    return Refusal(NoAmendment(form.format));
  }
  if (operands.size() != 1) return Refusal("Expecting one image file name");
  INSTAR_ASSIGN_OR_RETURN(options.cache, ReadCacheMode(cache, "cache"));
  INSTAR_ASSIGN_OR_RETURN(options.image, ReadEditedImageSpec(operands.front(), form));
  return {};
}

// The line that follows an error, if there is one.
std::string_view HintFor(std::string_view message, FormatId format) {
  if (message == "Cannot amend the backing file") {
    return "You can use 'qemu-img rebase' instead.\n";
  }
  if (message.ends_with("is inconsistent and cannot be used")) {
    return "Try block-dirty-bitmap-remove to delete this bitmap from disk\n";
  }
  for (const OptionSpec& option : PropertiesOf(format).options) {
    if (message == "Invalid parameter '" + std::string(option.name) + "'") {
      return "This option is only supported for image creation\n";
    }
  }
  return "";
}

int AmendCommand::Run(const Verb& verb) {
  if (const int failure = Begin(*this, verb, vmm::ShownName(options.image), {&options.image, 1})) {
    return failure;
  }
  const bool help = AsksForHelp(options.image_options);
  vmm::AmendReport opened;
  options.opened = [&](const vmm::AmendReport& report) {
    opened = report;
    if (report.guessed_raw) WarnOfGuess(options.image);
  };
  EndChangesOnInterruption(vmm::ShownName(options.image), verb.name);
  ProgressLine line(progress && !quiet && !help);
  const absl::StatusOr<vmm::AmendReport> report = vmm::Amend(options);
  line.Finish(report.ok());
  if (!report.ok()) {
    PrintError(report.status());
    const std::string message(report.status().message());
    WriteAll(STDERR_FILENO, HintFor(message, opened.format));
    if (opened.shrinks && message.find("--shrink") != std::string::npos) WarnOfShrinking();
    return 1;
  }
  ConfirmRun(settings, *report);
  return help ? PrintOutput(*AmendOptionHelp(report->format)) : 0;
}

}  // namespace

extern constinit const Verb kAmend = {
    kGuestVerb<AmendRequest>.name,
    kGuestVerb<AmendRequest>.brief,
    "[OPTION...] -o NAME=VALUE,... FILE",
    "Changes what FILE was created with: the version of its format, the width of its refcounts, "
    "the\n"
    "size of its disk and more. All of it is changed or nothing. The file holds the old image or\n"
    "the new one at every moment: after an error, a signal or a crash it is one of the two, "
    "whole.\n",
    kRows,
    RunAs<AmendCommand>,
};

}  // namespace instar::cli
