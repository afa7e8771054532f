#include "cli/dd_arguments.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/byte_size.h"
#include "cli/image_spec.h"
#include "cli/verb_arguments.h"

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
    {kImageOpts, "image-opts", nullptr, kImageOptsHelp},
    {kForceShare, "force-share,U", nullptr,
     "read the source even while somebody writes to it; the result may be inconsistent"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kObject, "object", "DEFINITION", ""},
};

constexpr std::uint64_t kLargestBlock = 2147483647;

constexpr std::string_view kUsage =
    " dd [OPTION...] [bs=SIZE] [count=N] [skip=N] if=SOURCE of=TARGET\n"
    "Copies the blocks of SOURCE's virtual disk from number skip up to number count into the "
    "new\n"
    "image TARGET.\n"
    "\nOperands:\n"
    "  bs=SIZE   bytes of a block (default 512)\n"
    "  count=N   end after the first N blocks of the source\n"
    "  skip=N    of these, leave out the first N\n"
    "  if=SOURCE, of=TARGET\n";

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
  DdCommand command;
  ImageForm source;
  const auto take = [&](GivenOption& option) -> OrStop<void> {
    switch (static_cast<Id>(option.id)) {
      case kHelp:
        return Answer(VerbHelp(kUsage, kRows));
      case kSourceFormat:
        source.format = std::move(option.value);
        return {};
      case kTargetFormat:
        command.options.target_format = std::move(option.value);
        return {};
      case kForceShare:
        command.options.force_share = true;
        return {};
      case kImageOpts:
        source.options = true;
        return {};
      case kObject:
        return NotAvailable(option);
    }
    return {};
  };
  OrStop<std::vector<std::string>> operands = ReadVerbArguments(kRows, arguments, settings, take);
  if (!operands) return std::unexpected(operands.error());
  for (const std::string& operand : *operands) {
    if (auto taken = TakeOperand(operand, command.options); !taken) {
      return std::unexpected(taken.error());
    }
  }
  if (!Names(*operands, "if=") || !Names(*operands, "of=")) {
    return Refusal("Must specify both input and output files");
  }
  auto spec = ReadImageSpec(command.options.source.path, source);
  if (!spec) return std::unexpected(spec.error());
  command.options.source = *std::move(spec);
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
