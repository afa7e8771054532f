#include "cli/dd_arguments.h"

#include <array>
#include <utility>

#include "cli/byte_size.h"
#include "cli/program.h"

namespace instar::cli {
namespace {

enum Id : int {
  kHelp = 1,
  kSourceFormat,
  kTargetFormat,
  kForceShare,
  kImageOpts,
  kObject,
};

constexpr OptionRow kRows[] = {
    {kSourceFormat, "format,f", "FORMAT",
     "take the source for this format instead of looking at its content"},
    {kTargetFormat, "output-format,O", "FORMAT", "format of the target (default raw)"},
    {kForceShare, "force-share,U", nullptr,
     "read the source even while somebody writes to it; the result may be inconsistent"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kImageOpts, "image-opts", nullptr, ""},
    {kObject, "object", "DEFINITION", ""},
};

constexpr std::uint64_t kLargestBlock = 2147483647;

std::string HelpText() {
  std::string text = "usage: ";
  text += ProgramName();
  text +=
      " dd [OPTION...] [bs=SIZE] [count=N] [skip=N] if=SOURCE of=TARGET\n"
      "Copies the blocks of SOURCE's virtual disk from number skip up to number count into the "
      "new\n"
      "image TARGET.\n"
      "\nOperands:\n"
      "  bs=SIZE   bytes of a block (default 512)\n"
      "  count=N   end after the first N blocks of the source\n"
      "  skip=N    of these, leave out the first N\n"
      "  if=SOURCE, of=TARGET\n"
      "\nOptions:\n";
  text += DescribeOptions(kRows);
  text += "\nOptions that every verb takes:\n";
  text += DescribeOptions(SandboxOptionRows());
  return text;
}

OrStop<void> TakeOperand(const std::string& operand, vmm::DdOptions& options) {
  const std::size_t equals = operand.find('=');
  const std::string name = operand.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : operand.substr(equals + 1);
  if (equals != std::string::npos && name == "if") {
    options.source = value;
    return {};
  }
  if (equals != std::string::npos && name == "of") {
    options.target = value;
    return {};
  }
  if (equals == std::string::npos || (name != "bs" && name != "count" && name != "skip")) {
    return Refusal("unrecognized operand " + name);
  }
  const auto number = ParseByteSize(value, name);
  if (!number) return Refusal(number.error());
  if (name == "count") {
    options.count = *number;
  } else if (name == "skip") {
    options.skip = *number;
  } else {
    if (*number < 1 || *number > kLargestBlock) {
      return Refusal("Invalid bs specified. Must be between 1 and " +
                     std::to_string(kLargestBlock) + ".");
    }
    options.block_bytes = *number;
  }
  return {};
}

bool Names(const std::vector<std::string>& operands, std::string_view which) {
  for (const std::string& operand : operands) {
    if (operand.starts_with(which)) return true;
  }
  return false;
}

}  // namespace

OrStop<DdCommand> ReadDdArguments(std::span<const std::string> arguments,
                                  SandboxSettings settings) {
  const std::array tables = {std::span<const OptionRow>(kRows), SandboxOptionRows()};
  Arguments given = ReadArguments(tables, arguments, Operands::kMixed);
  DdCommand command;
  for (GivenOption& option : given.options) {
    if (const auto error = ApplySandboxOption(option, settings)) {
      if (!error->empty()) return Refusal(*error);
      continue;
    }
    switch (static_cast<Id>(option.id)) {
      case kHelp:
        return Answer(HelpText());
      case kSourceFormat:
        command.options.source_format = std::move(option.value);
        break;
      case kTargetFormat:
        command.options.target_format = std::move(option.value);
        break;
      case kForceShare:
        command.options.force_share = true;
        break;
      case kImageOpts:
      case kObject:
        return Refusal(option.spelling + " is not available in this version; name files instead");
    }
  }
  if (!given.fault.empty()) return UsageError(given.fault);
  for (const std::string& operand : given.operands) {
    if (auto taken = TakeOperand(operand, command.options); !taken) {
      return std::unexpected(taken.error());
    }
  }
  if (!Names(given.operands, "if=") || !Names(given.operands, "of=")) {
    return Refusal("Must specify both input and output files");
  }
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
