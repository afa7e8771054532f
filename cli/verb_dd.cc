// instar dd: copies part of a virtual disk into a new image.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/byte_size.h"
#include "cli/commands.h"
#include "cli/interruption.h"
#include "cli/program.h"
#include "cli/verb.h"
#include "instar/vmm/dd.h"
#include "verbs/open_image.h"

namespace instar::cli {
namespace {

constexpr OptionRow kRows[] = {
    Text<&DdCommand::source, &ImageForm::format>(
        "format,f", "FORMAT", "take the source for this format instead of looking at its content"),
    Text<&DdCommand::options, &vmm::DdOptions::target_format>("output-format,O", "FORMAT",
                                                              "format of the target (default raw)"),
    kImageOptsRow<&DdCommand::source, &ImageForm::options>,
    kForceShareRow<&DdCommand::options, &vmm::DdOptions::force_share>,
    kHelpRow,
    kObjectRow,
};

constexpr std::uint64_t kLargestBlock = 2147483647;

OrStop<void> TakeOperand(const std::string& operand, vmm::DdOptions& options) {
  const std::size_t equals = operand.find('=');
  const std::string name = operand.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : operand.substr(equals + 1);
  if (equals != std::string::npos && name == "if") {
    options.source.path = value;
    return {};
  }
  if (equals != std::string::npos && name == "of") {
    options.target = value;
    return {};
  }
  if (equals == std::string::npos || (name != "bs" && name != "count" && name != "skip")) {
    return Refusal("unrecognized operand " + name);
  }
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t number, OrRefuse(ParseByteSize(value, name)));
  if (name == "count") {
    options.count = number;
  } else if (name == "skip") {
    options.skip = number;
  } else {
    if (number < 1 || number > kLargestBlock) {
      return Refusal("Invalid bs specified. Must be between 1 and " +
                     std::to_string(kLargestBlock) + ".");
    }
    options.block_bytes = number;
  }
  return {};
}

bool Names(const std::vector<std::string>& operands, std::string_view which) {
  return std::ranges::any_of(
      operands, [which](const std::string& operand) { return operand.starts_with(which); });
}

}  // namespace

OrStop<void> DdCommand::TakeOperands(const std::vector<std::string>& operands) {
  for (const std::string& operand : operands) INSTAR_TRY(TakeOperand(operand, options));
  if (!Names(operands, "if=") || !Names(operands, "of=")) {
    return Refusal("Must specify both input and output files");
  }
  INSTAR_ASSIGN_OR_RETURN(options.source, ReadImageSpec(options.source.path, source));
  return {};
}

int DdCommand::Run(const Verb& verb) {
  if (const int failure =
          Begin(*this, verb, vmm::ShownName(options.source), {&options.source, 1})) {
    return failure;
  }
  RemoveTargetsOnInterruption();
  const absl::StatusOr<vmm::ConvertReport> report = vmm::Dd(options);
  if (!report.ok()) return PrintError(report.status());
  ConfirmIsolation(settings, report->isolation);
  for (const std::string& warning : report->warnings) {
    // qemu-img says this one without calling it a warning.
    const bool is_skip = warning.ends_with(": cannot skip to specified offset");
    PrintError(is_skip ? warning : "warning: " + warning);
  }
  return 0;
}

extern constinit const Verb kDd = {
    "dd",
    "copy part of a virtual disk",
    "[OPTION...] [bs=SIZE] [count=N] [skip=N] if=SOURCE of=TARGET",
    "Copies the blocks of SOURCE's virtual disk from number skip up to number count into the new\n"
    "image TARGET.\n"
    "\nOperands:\n"
    "  bs=SIZE   bytes of a block (default 512)\n"
    "  count=N   end after the first N blocks of the source\n"
    "  skip=N    of these, leave out the first N\n"
    "  if=SOURCE, of=TARGET\n",
    kRows,
    RunAs<DdCommand>,
};

}  // namespace instar::cli
