#include "cli/compare_arguments.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/cache_mode.h"
#include "cli/verb_arguments.h"

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

constexpr std::string_view kUsage =
    " compare [OPTION...] FILE1 FILE2\n"
    "Compares the virtual disks of two images. What the shorter one lacks counts as zeros.\n"
    "Exit code: 0 the same, 1 different, 2 an image could not be opened, 3 where its data is\n"
    "could not be found out, 4 data could not be read.\n";

}  // namespace

OrStop<CompareCommand> ReadCompareArguments(std::span<const std::string> arguments,
                                            SandboxSettings settings) {
  CompareCommand command;
  std::string cache = "writeback";
  const auto take = [&](GivenOption& option) -> OrStop<void> {
    switch (static_cast<Id>(option.id)) {
      case kHelp:
        return Answer(VerbHelp(kUsage, kRows));
      case kFirstFormat:
        command.options.first_format = std::move(option.value);
        return {};
      case kSecondFormat:
        command.options.second_format = std::move(option.value);
        return {};
      case kStrict:
        command.options.strict = true;
        return {};
      case kCache:
        cache = std::move(option.value);
        return {};
      case kForceShare:
        command.options.force_share = true;
        return {};
      case kProgress:
        command.progress = true;
        return {};
      case kQuiet:
        command.quiet = true;
        return {};
      case kImageOpts:
      case kObject:
        return NotAvailable(option, "name files instead");
    }
    return {};
  };
  OrStop<std::vector<std::string>> operands = ReadVerbArguments(kRows, arguments, settings, take);
  if (!operands) return std::unexpected(operands.error());
  if (operands->size() != 2) return UsageError("Expecting two image file names");
  const auto mode = ReadCacheMode(cache, "source cache");
  if (!mode) return std::unexpected(mode.error());
  command.options.cache = *mode;
  command.options.first = std::move((*operands)[0]);
  command.options.second = std::move((*operands)[1]);
  if (command.quiet) command.progress = false;
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
