#include "cli/check_arguments.h"

#include <string>
#include <string_view>
#include <utility>

#include "cli/cache_mode.h"
#include "cli/image_spec.h"
#include "cli/verb_arguments.h"

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
    {kImageOpts, "image-opts", nullptr, kImageOptsHelp},
    {kOutput, "output", "FORM", "print for people (human, the default) or programs (json)"},
    {kCache, "cache,T", "MODE",
     "how to read: writeback (default), none, writethrough, directsync or unsafe"},
    {kForceShare, "force-share,U", nullptr,
     "read the image even while somebody writes to it; what is found may be wrong"},
    {kQuiet, "quiet,q", nullptr, "print findings and errors only"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kRepair, "repair,r", "WHAT", ""},
    {kObject, "object", "DEFINITION", ""},
};

constexpr std::string_view kUsage =
    " check [OPTION...] FILE\n"
    "Looks for inconsistencies in the metadata of the image FILE. Changes nothing.\n"
    "Exit code: 0 none, 1 the check could not be completed, 2 the image is corrupt, 3 storage "
    "is\n"
    "wasted but nothing wrong, 63 images of this format have nothing that could be checked.\n";

}  // namespace

OrStop<CheckCommand> ReadCheckArguments(std::span<const std::string> arguments,
                                        SandboxSettings settings) {
  CheckCommand command;
  ImageForm image;
  std::string output = "human";
  std::string cache = "writeback";
  const auto take = [&](GivenOption& option) -> OrStop<void> {
    switch (static_cast<Id>(option.id)) {
      case kHelp:
        return Answer(VerbHelp(kUsage, kRows));
      case kFormat:
        image.format = std::move(option.value);
        return {};
      case kOutput:
        output = std::move(option.value);
        return {};
      case kRepair:
        if (option.value != "leaks" && option.value != "all") {
          return UsageError("Unknown option value for -r (expecting 'leaks' or 'all'): " +
                            option.value);
        }
        command.repair = true;
        return {};
      case kCache:
        cache = std::move(option.value);
        return {};
      case kForceShare:
        command.options.force_share = true;
        return {};
      case kQuiet:
        command.quiet = true;
        return {};
      case kImageOpts:
        image.options = true;
        return {};
      case kObject:
        return NotAvailable(option);
    }
    return {};
  };
  OrStop<OneImage> given = ReadOneImage(kRows, arguments, settings, take, output);
  if (!given) return std::unexpected(given.error());
  const auto mode = ReadCacheMode(cache, "source cache");
  if (!mode) return std::unexpected(mode.error());
  command.options.cache = *mode;
  auto spec = ReadImageSpec(given->name, image);
  if (!spec) return std::unexpected(spec.error());
  command.options.image = *std::move(spec);
  command.image = std::move(given->name);
  command.json = given->json;
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
