#include "cli/compare_arguments.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/cache_mode.h"
#include "cli/image_spec.h"
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
    {kImageOpts, "image-opts", nullptr, kImageOptsHelp},
    {kStrict, "strict,s", nullptr,
     "the disks must have the same size and hold data in the same places, too"},
    {kCache, "cache,T", "MODE",
     "how to read: writeback (default), none, writethrough, directsync or unsafe"},
    {kForceShare, "force-share,U", nullptr,
     "read images even while somebody writes to them; the result may be inconsistent"},
    {kProgress, "progress,p", nullptr, "show how far it is"},
    {kQuiet, "quiet,q", nullptr, "print nothing but errors"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kObject, "object", "DEFINITION", ""},
};

constexpr std::string_view kUsage =
    " compare [OPTION...] FILE1 FILE2\n"
    "Compares the virtual disks of two images. What the shorter one lacks counts as zeros.\n"
    "Exit code: 0 the same, 1 different, 2 an image could not be opened, 3 where its data is\n"
    "could not be found out, 4 data could not be read, or the run was ended (--timeout).\n";

}  // namespace

OrStop<CompareCommand> ReadCompareArguments(std::span<const std::string> arguments,
                                            SandboxSettings settings) {
  CompareCommand command;
  ImageForm first;
  ImageForm second;
  std::string cache = "writeback";
  const auto take = [&](GivenOption& option) -> OrStop<void> {
    switch (static_cast<Id>(option.id)) {
      case kHelp:
        return Answer(VerbHelp(kUsage, kRows));
      case kFirstFormat:
        first.format = std::move(option.value);
        return {};
      case kSecondFormat:
        second.format = std::move(option.value);
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
        first.options = second.options = true;
        return {};
      case kObject:
        return NotAvailable(option);
    }
    return {};
  };
  OrStop<std::vector<std::string>> operands = ReadVerbArguments(kRows, arguments, settings, take);
  if (!operands) return std::unexpected(operands.error());
  if (operands->size() != 2) return UsageError("Expecting two image file names");
  const auto mode = ReadCacheMode(cache, "source cache");
  if (!mode) return std::unexpected(mode.error());
  command.options.cache = *mode;
  auto first_image = ReadImageSpec((*operands)[0], first);
  if (!first_image) return std::unexpected(first_image.error());
  auto second_image = ReadImageSpec((*operands)[1], second);
  if (!second_image) return std::unexpected(second_image.error());
  command.options.first = *std::move(first_image);
  command.options.second = *std::move(second_image);
  if (command.quiet) command.progress = false;
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
