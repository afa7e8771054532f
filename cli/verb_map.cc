// instar map: lists which parts of a virtual disk hold data, and where.
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/map_output.h"
#include "cli/program.h"
#include "cli/shared_options.h"
#include "cli/verb.h"
#include "instar/verb_table.h"
#include "instar/vmm/map.h"
#include "verbs/open_image.h"

namespace instar::cli {
namespace {

struct MapCommand {
  SandboxSettings settings;
  OneImage image;
  vmm::MapOptions options;

  OrStop<void> TakeOperands(std::vector<std::string> operands) {
    INSTAR_TRY(image.TakeOperands(std::move(operands)));
    INSTAR_ASSIGN_OR_RETURN(options.image, image.Spec());
    return {};
  }

  int Run(const Verb& verb) {
    if (const int failure =
            Begin(*this, verb, vmm::ShownName(options.image), {&options.image, 1})) {
      return failure;
    }
    MapOutput output(image.json, settings.qemu_version, settings.sandbox.max_output_bytes,
                     PrintOutput);
    bool begun = false;
    bool refused = false;
    options.entry = [&](const vmm::MapEntry& entry) {
      if (!begun) output.Begin();
      begun = true;
      refused = !output.Add(entry);
      return !refused;
    };
    const absl::StatusOr<vmm::MapReport> report = vmm::Map(options);
    if (!report.ok()) {
      // As qemu-img does, what was found out before the fault is shown.
      const int printed = begun ? output.Finish(/*complete=*/false) : 0;
      if (!refused) return PrintError(report.status());
      return output.failure().empty() || printed != 0 ? 1 : PrintError(output.failure());
    }
    ConfirmRun(settings, *report);
    return output.Finish(/*complete=*/true);
  }
};

constexpr OptionRow kRows[] = {
    kFormatRow<&MapCommand::image>,
    kImageOptsRow<&MapCommand::image, &OneImage::form, &ImageForm::options>,
    kOutputRow<&MapCommand::image>,
    Size<"start offset", &MapCommand::options, &vmm::MapOptions::start>(
        "start-offset,s", "leave out what comes before this byte of the disk"),
    Size<"max length", &MapCommand::options, &vmm::MapOptions::max_length>(
        "max-length,l", "list so many bytes at most"),
    kForceShareRow<&MapCommand::options, &vmm::MapOptions::force_share>,
    kHelpRow,
    kObjectRow,
};

}  // namespace

extern constinit const Verb kMap = {
    kGuestVerb<MapRequest>.name,
    kGuestVerb<MapRequest>.brief,
    "[OPTION...] FILE",
    "Lists which parts of the virtual disk of FILE hold data, in which file of the chain, and "
    "where.\n",
    kRows,
    RunAs<MapCommand>,
};

}  // namespace instar::cli
