#include "cli/compare_arguments.h"

#include <array>
#include <utility>

#include "cli/cache_mode.h"
#include "cli/program.h"

namespace instar::cli {
namespace {

enum Id : int {
  kHelp = 1,
  kFirstFormat,
  kSecondFormat,
  kStrict,
  kCache,
  kForceShare,
  kProgress,
  kQuiet,
  kImageOpts,
  kObject
};

constexpr OptionRow kRows[] = {
    {kFirstFormat, "a-format,f", "FORMAT",
     "take the first image for this format instead of looking at its content"},
    {kSecondFormat, "b-format,F", "FORMAT", "take the second one for this format"},
    {kStrict, "strict,s", nullptr,
     "the disks must have the same size and hold data in the same places, too"},
    {kCache, "cache,T", "MODE",
     "how to read: writeback (default), none, writethrough, directsync or unsafe"},
    {kForceShare, "force-share,U", nullptr,
     "read images even while somebody writes to them; the result may be inconsistent"},
    {kProgress, "progress,p", nullptr, "show how far it is"},
    {kQuiet, "quiet,q", nullptr, "print nothing but errors"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kImageOpts, "image-opts", nullptr, ""},
    {kObject, "object", "DEFINITION", ""},
};

std::string HelpText() {
  std::string text = "usage: ";
  text += ProgramName();
  text +=
      " compare [OPTION...] FILE1 FILE2\n"
      "Compares the virtual disks of two images. What the shorter one lacks counts as zeros.\n"
      "Exit code: 0 the same, 1 different, 2 an image could not be opened, 3 where its data is\n"
      "could not be found out, 4 data could not be read.\n"
      "\nOptions:\n";
  text += DescribeOptions(kRows);
  text += "\nOptions that every verb takes:\n";
  text += DescribeOptions(SandboxOptionRows());
  return text;
}

}  // namespace

OrStop<CompareCommand> ReadCompareArguments(std::span<const std::string> arguments,
                                            SandboxSettings settings) {
  const std::array tables = {std::span<const OptionRow>(kRows), SandboxOptionRows()};
  Arguments given = ReadArguments(tables, arguments, Operands::kMixed);
  CompareCommand command;
  std::string cache = "writeback";
  for (GivenOption& option : given.options) {
    if (const auto error = ApplySandboxOption(option, settings)) {
      if (!error->empty()) return Refusal(*error);
      continue;
    }
    switch (static_cast<Id>(option.id)) {
      case kHelp:
        return Answer(HelpText());
      case kFirstFormat:
        command.options.first_format = std::move(option.value);
        break;
      case kSecondFormat:
        command.options.second_format = std::move(option.value);
        break;
      case kStrict:
        command.options.strict = true;
        break;
      case kCache:
        cache = std::move(option.value);
        break;
      case kForceShare:
        command.options.force_share = true;
        break;
      case kProgress:
        command.progress = true;
        break;
      case kQuiet:
        command.quiet = true;
        break;
      case kImageOpts:
      case kObject:
        return Refusal(option.spelling + " is not available in this version; name files instead");
    }
  }
  if (!given.fault.empty()) return UsageError(given.fault);
  if (given.operands.size() != 2) return UsageError("Expecting two image file names");
  const auto mode = CacheModeFromName(cache);
  if (!mode) return Refusal("Invalid source cache option: " + cache);
  command.options.cache = *mode;
  command.options.first = std::move(given.operands[0]);
  command.options.second = std::move(given.operands[1]);
  if (command.quiet) command.progress = false;
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
