#include "cli/info_arguments.h"

#include <string>
#include <string_view>
#include <utility>

#include "cli/image_spec.h"
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
    {kImageOpts, "image-opts", nullptr, kImageOptsHelp},
    {kOutput, "output", "FORM", "print for people (human, the default) or programs (json)"},
    {kBackingChain, "backing-chain", nullptr, "show the backing files too, and theirs"},
    {kPartitions, "partitions", nullptr,
     "show the partition table (MBR or GPT) of a raw image, too"},
    {kForceShare, "force-share,U", nullptr,
     "read the image even while somebody writes to it; what is shown may be inconsistent"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kObject, "object", "DEFINITION", ""},
};

constexpr std::string_view kUsage =
    " info [OPTION...] FILE\n"
    "Shows what the image FILE is. Opens no other file but the extents of a VMDK, unless\n"
    "--backing-chain asks for it.\n";

}  // namespace

OrStop<InfoCommand> ReadInfoArguments(std::span<const std::string> arguments,
                                      SandboxSettings settings) {
  InfoCommand command;
  ImageForm image;
  std::string output = "human";
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
        image.options = true;
        return {};
      case kObject:
        return NotAvailable(option);
    }
    return {};
  };
  OrStop<OneImage> given = ReadOneImage(kRows, arguments, settings, take, output);
  if (!given) return std::unexpected(given.error());
  auto spec = ReadImageSpec(given->name, image);
  if (!spec) return std::unexpected(spec.error());
  command.options.image = *std::move(spec);
  // As qemu-img does: what is shown of a chain is what the images say of it.
  if (!command.options.image.backing.empty()) {
    return Refusal("Could not open '" + given->name +
                   "': info does not support the option 'backing'");
  }
  command.options.image.backing_ends = false;
  if (settings.strict) {
    if (command.options.backing_chain || command.options.partitions) {
      return Refusal("--strict gives a verdict on one image: no --backing-chain, no --partitions");
    }
    if (command.options.image.window) {
      return Refusal("--strict judges whole files: no offset, no size");
    }
  }
  command.json = given->json;
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
