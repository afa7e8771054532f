#include "cli/map_arguments.h"

#include <string>
#include <string_view>
#include <utility>

#include "cli/byte_size.h"
#include "cli/image_spec.h"
#include "cli/verb_arguments.h"

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
    {kImageOpts, "image-opts", nullptr, kImageOptsHelp},
    {kOutput, "output", "FORM", "print for people (human, the default) or programs (json)"},
    {kStartOffset, "start-offset,s", "SIZE", "leave out what comes before this byte of the disk"},
    {kMaxLength, "max-length,l", "SIZE", "tell of so many bytes at most"},
    {kForceShare, "force-share,U", nullptr,
     "read the image even while somebody writes to it; what is shown may be inconsistent"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kObject, "object", "DEFINITION", ""},
};

constexpr std::string_view kUsage =
    " map [OPTION...] FILE\n"
    "Lists which parts of the virtual disk of FILE hold data, and which file they stand in.\n";

}  // namespace

OrStop<MapCommand> ReadMapArguments(std::span<const std::string> arguments,
                                    SandboxSettings settings) {
  MapCommand command;
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
      case kStartOffset: {
        const auto bytes = ParseByteSize(option.value, "start offset");
        if (!bytes) return Refusal(bytes.error());
        command.options.start = *bytes;
        return {};
      }
      case kMaxLength: {
        const auto bytes = ParseByteSize(option.value, "max length");
        if (!bytes) return Refusal(bytes.error());
        command.options.max_length = *bytes;
        return {};
      }
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
  command.json = given->json;
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
