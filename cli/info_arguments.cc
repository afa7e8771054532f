#include "cli/info_arguments.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/verb_arguments.h"

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

constexpr std::string_view kUsage =
    " info [OPTION...] FILE\n"
    "Shows what the image FILE is. Opens no other file, unless --backing-chain asks for it.\n";

}  // namespace

OrStop<InfoCommand> ReadInfoArguments(std::span<const std::string> arguments,
                                      SandboxSettings settings) {
  InfoCommand command;
  std::string output = "human";
  const auto take = [&](GivenOption& option) -> OrStop<void> {
    switch (static_cast<Id>(option.id)) {
      case kHelp:
        return Answer(VerbHelp(kUsage, kRows));
      case kFormat:
        command.options.format = std::move(option.value);
        return {};
      case kOutput:
        output = std::move(option.value);
        return {};
      case kBackingChain:
        command.options.backing_chain = true;
        return {};
      case kPartitions:
        command.options.partitions = true;
        return {};
      case kForceShare:
        command.options.force_share = true;
        return {};
      case kImageOpts:
      case kObject:
        return NotAvailable(option, "name a file instead");
    }
    return {};
  };
  OrStop<std::vector<std::string>> operands = ReadVerbArguments(kRows, arguments, settings, take);
  if (!operands) return std::unexpected(operands.error());
  if (operands->size() != 1) return UsageError("Expecting one image file name");
  const OrStop<bool> json = ReadOutputForm(output);
  if (!json) return std::unexpected(json.error());
  command.options.path = std::move(operands->front());
  command.json = *json;
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
