// instar create: makes an empty image.
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/byte_size.h"
#include "cli/commands.h"
#include "cli/create_option_help.h"
#include "cli/formatting_line.h"
#include "cli/interruption.h"
#include "cli/program.h"
#include "cli/strict_profile.h"
#include "cli/verb.h"
#include "formats/base/create_options.h"
#include "instar/verb_table.h"
#include "instar/vmm/create.h"
#include "verbs/time_limit.h"

namespace instar::cli {
namespace {

using Options = vmm::CreateOptions;

OrStop<void> RefuseSecret(CreateCommand&, GivenOption& given) {
  return Refusal(given.spelling + " is not available in this version: images cannot be encrypted");
}

constexpr OptionRow kRows[] = {
    Text<&CreateCommand::options, &Options::format>("format,f", "FORMAT",
                                                    "format of the new image (default raw)"),
    OptionLists<&CreateCommand::options, &Options::format_options>(
        "options,o",
        "options of the format; may be repeated; '-o help' lists them; a comma in a value is\n"
        "doubled"),
    Text<&CreateCommand::backing>(
        "backing,b", "FILE",
        "make the image an overlay on FILE; a relative name starts in the new image's directory"),
    Text<&CreateCommand::backing_format>(
        "backing-format,F", "FORMAT",
        "format of that backing file; has to be given; -B is the same"),
    Text<&CreateCommand::backing_format>(",B", "FORMAT", ""),
    Set<false, &CreateCommand::options, &Options::check_backing>(
        "backing-unsafe,u",
        "do not open the backing file: it need not exist, but SIZE has to be given"),
    Flag<&CreateCommand::quiet>("quiet,q", "print nothing but errors"),
    kHelpRow,
    Call<RefuseSecret>("object", "DEFINITION", ""),
};

}  // namespace

OrStop<void> CreateCommand::TakeOperands(std::vector<std::string> operands) {
  const bool help = AsksForHelp(options.format_options);
  if (operands.empty() && !help) return UsageError("Expecting image file name");
  if (operands.size() > 1) {
    INSTAR_ASSIGN_OR_RETURN(options.size_bytes, OrRefuse(ParseByteSize(operands[1], "image size")));
  }
  if (operands.size() > 2) return UsageError("Unexpected argument: " + operands[2]);
  if (help) return CreateOptionHelp(options.format);
  options.path = std::move(operands.front());
  if (backing && backing->empty()) {
    return Refusal(options.path + ": Expected backing file name, got empty string");
  }
  if (backing_format && backing_format->empty()) {
    return Refusal(options.path + ": Unknown driver ''");
  }
  options.backing_file = backing.value_or("");
  options.backing_format = backing_format.value_or("");
  return {};
}

int CreateCommand::Run(const Verb& verb) {
  // What -u leaves unchecked need not exist; but some images record which one their parent is.
  std::vector<vmm::ImageSpec> sources;
  if (options.check_backing || PropertiesOf(FormatFromName(options.format)).records_parent) {
    if (auto below = BackingOf(options.path, options.backing_file, options.backing_format,
                               options.format_options)) {
      sources.push_back(*std::move(below));
    }
  }
  if (const int failure =
          Begin(*this, verb, options.path, sources, {.own = vmm::OwnTimeLimit(options)})) {
    return failure;
  }
  int printed = 0;
  if (!quiet) {
    options.announce = [this, &printed](const vmm::CreateReport& report) {
      printed = PrintOutput(FormattingLine({.path = options.path,
                                            .format = FormatFromName(options.format),
                                            .options = options.format_options,
                                            .virtual_size_bytes = report.virtual_size_bytes,
                                            .backing_file = report.backing_file,
                                            .backing_format = report.backing_format}));
    };
  }
  RemoveTargetsOnInterruption();
  const absl::StatusOr<vmm::CreateReport> report = vmm::Create(options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmIsolation(settings, report->isolation);
  return printed;
}

extern constinit const Verb kCreate = {
    kGuestVerb<CreateRequest>.name,
    kGuestVerb<CreateRequest>.brief,
    "[OPTION...] FILE [SIZE]",
    "Makes the empty image FILE with a virtual disk of SIZE bytes (suffixes k, M, G, T, P, E). An\n"
    "overlay is as large as its backing file unless SIZE says otherwise.\n",
    kRows,
    RunAs<CreateCommand>,
};

}  // namespace instar::cli
