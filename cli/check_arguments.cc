#include "cli/check_arguments.h"

#include <array>
#include <utility>

#include "cli/cache_mode.h"
#include "cli/program.h"

namespace instar::cli {
namespace {

enum Id : int {
  kHelp = 1,
  kFormat,
  kOutput,
  kRepair,
  kCache,
  kForceShare,
  kQuiet,
  kImageOpts,
  kObject
};

constexpr OptionRow kRows[] = {
    {kFormat, "format,f", "FORMAT",
     "take the image for this format instead of looking at its content"},
    {kOutput, "output", "FORM", "print for people (human, the default) or programs (json)"},
    {kCache, "cache,T", "MODE",
     "how to read: writeback (default), none, writethrough, directsync or unsafe"},
    {kForceShare, "force-share,U", nullptr,
     "read the image even while somebody writes to it; what is found may be wrong"},
    {kQuiet, "quiet,q", nullptr, "print nothing but errors"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kRepair, "repair,r", "WHAT", ""},
    {kImageOpts, "image-opts", nullptr, ""},
    {kObject, "object", "DEFINITION", ""},
};

std::string HelpText() {
  std::string text = "usage: ";
  text += ProgramName();
  text +=
      " check [OPTION...] FILE\n"
      "Looks for inconsistencies in the metadata of the image FILE. Changes nothing.\n"
      "Exit code: 0 none, 1 the check could not be completed, 2 the image is corrupt, 3 storage "
      "is\n"
      "wasted but nothing wrong, 63 images of this format have nothing that could be checked.\n"
      "\nOptions:\n";
  text += DescribeOptions(kRows);
  text += "\nOptions that every verb takes:\n";
  text += DescribeOptions(SandboxOptionRows());
  return text;
}

Stop RefuseRepair(const std::string& what) {
  if (what != "leaks" && what != "all") {
    return {Stop::Kind::kUsage,
            "Unknown option value for -r (expecting 'leaks' or 'all'): " + what};
  }
  return {Stop::Kind::kError,
          "repairing images (-r) is not available in this version; nothing was checked or changed"};
}

}  // namespace

OrStop<CheckCommand> ReadCheckArguments(std::span<const std::string> arguments,
                                        SandboxSettings settings) {
  const std::array tables = {std::span<const OptionRow>(kRows), SandboxOptionRows()};
  Arguments given = ReadArguments(tables, arguments, Operands::kMixed);
  CheckCommand command;
  std::string output = "human";
  std::string cache = "writeback";
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
      case kRepair:
        return std::unexpected(RefuseRepair(option.value));
      case kCache:
        cache = std::move(option.value);
        break;
      case kForceShare:
        command.options.force_share = true;
        break;
      case kQuiet:
        command.quiet = true;
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
  const auto mode = CacheModeFromName(cache);
  if (!mode) return Refusal("Invalid source cache option: " + cache);
  command.options.cache = *mode;
  command.options.path = std::move(given.operands.front());
  command.json = output == "json";
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
