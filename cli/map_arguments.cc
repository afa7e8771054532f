#include "cli/map_arguments.h"

#include <array>
#include <utility>

#include "cli/byte_size.h"
#include "cli/program.h"

namespace instar::cli {
namespace {

enum Id : int {
  kHelp = 1,
  kFormat,
  kOutput,
  kStartOffset,
  kMaxLength,
  kForceShare,
  kImageOpts,
  kObject
};

constexpr OptionRow kRows[] = {
    {kFormat, "format,f", "FORMAT",
     "take the image for this format instead of looking at its content"},
    {kOutput, "output", "FORM", "print for people (human, the default) or programs (json)"},
    {kStartOffset, "start-offset,s", "SIZE", "leave out what comes before this byte of the disk"},
    {kMaxLength, "max-length,l", "SIZE", "tell of so many bytes at most"},
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
      " map [OPTION...] FILE\n"
      "Lists which parts of the virtual disk of FILE hold data, and which file they stand in.\n"
      "\nOptions:\n";
  text += DescribeOptions(kRows);
  text += "\nOptions that every verb takes:\n";
  text += DescribeOptions(SandboxOptionRows());
  return text;
}

}  // namespace

OrStop<MapCommand> ReadMapArguments(std::span<const std::string> arguments,
                                    SandboxSettings settings) {
  const std::array tables = {std::span<const OptionRow>(kRows), SandboxOptionRows()};
  Arguments given = ReadArguments(tables, arguments, Operands::kMixed);
  MapCommand command;
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
      case kStartOffset: {
        const auto bytes = ParseByteSize(option.value, "start offset");
        if (!bytes) return Refusal(bytes.error());
        command.options.start = *bytes;
        break;
      }
      case kMaxLength: {
        const auto bytes = ParseByteSize(option.value, "max length");
        if (!bytes) return Refusal(bytes.error());
        command.options.max_length = *bytes;
        break;
      }
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
