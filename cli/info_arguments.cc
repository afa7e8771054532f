#include "cli/info_arguments.h"

#include <array>
#include <utility>

#include "cli/program.h"

namespace instar::cli {
namespace {

enum Id : int {
  kHelp = 1,
  kFormat,
  kOutput,
  kBackingChain,
  kPartitions,
  kForceShare,
  kImageOpts,
  kObject
};

constexpr OptionRow kRows[] = {
    {kFormat, "format,f", "FORMAT",
     "take the image for this format instead of looking at its content"},
    {kOutput, "output", "FORM", "print for people (human, the default) or programs (json)"},
    {kBackingChain, "backing-chain", nullptr, "show the backing files too, and theirs"},
    {kPartitions, "partitions", nullptr,
     "show the partition table (MBR or GPT) of a raw image, too"},
    {kForceShare, "force-share,U", nullptr,
     "read the image even while somebody writes to it; what is shown may be inconsistent"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kImageOpts, "image-opts", nullptr, ""},
    {kObject, "object", "DEFINITION", ""},
};

std::string HelpText() {
  std::string text = "usage: ";
  text += ProgramName();
  text +=
      " info [OPTION...] FILE\n"
      "Shows what the image FILE is. Opens no other file, unless --backing-chain asks for it.\n"
      "\nOptions:\n";
  text += DescribeOptions(kRows);
  text += "\nOptions that every verb takes:\n";
  text += DescribeOptions(SandboxOptionRows());
  return text;
}

}  // namespace

OrStop<InfoCommand> ReadInfoArguments(std::span<const std::string> arguments,
                                      SandboxSettings settings) {
  const std::array tables = {std::span<const OptionRow>(kRows), SandboxOptionRows()};
  Arguments given = ReadArguments(tables, arguments, Operands::kMixed);
  InfoCommand command;
  std::string output = "human";
  for (GivenOption& option : given.options) {
    if (const auto error = ApplySandboxOption(option, settings)) {
      if (!error->empty()) return Refusal(*error);
      continue;
    }
    switch (static_cast<Id>(option.id)) {
      case kHelp:
        return Answer(HelpText());
      case kFormat:
        command.options.format = std::move(option.value);
        break;
      case kOutput:
        output = std::move(option.value);
        break;
      case kBackingChain:
        command.options.backing_chain = true;
        break;
      case kPartitions:
        command.options.partitions = true;
        break;
      case kForceShare:
        command.options.force_share = true;
        break;
      case kImageOpts:
      case kObject:
        return Refusal(option.spelling + " is not available in this version; name a file instead");
    }
  }
  if (!given.fault.empty()) return UsageError(given.fault);
  if (given.operands.size() != 1) return UsageError("Expecting one image file name");
  if (output != "human" && output != "json") {
    return Refusal("--output must be used with human or json as argument.");
  }
  command.options.path = std::move(given.operands.front());
  command.json = output == "json";
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
