#include "cli/create_arguments.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/byte_size.h"
#include "cli/create_option_help.h"
#include "cli/verb_arguments.h"
#include "formats/base/create_options.h"

namespace instar::cli {
namespace {

enum Id : int {
  kHelp = 1,
  kFormat,
  kOptions,
  kBacking,
  kBackingFormat,
  kUnsafe,
  kQuiet,
  kObject,
};

constexpr OptionRow kRows[] = {
    {kFormat, "format,f", "FORMAT", "format of the new image (default raw)"},
    {kOptions, "options,o", "NAME=VALUE,...",
     "options of the format; may be repeated; '-o help' lists them"},
    {kBacking, "backing,b", "FILE",
     "make the image an overlay on FILE; a relative name starts in the new image's directory"},
    {kBackingFormat, "backing-format,F", "FORMAT",
     "format of that backing file; has to be given; -B is the same"},
    {kBackingFormat, ",B", "FORMAT", ""},
    {kUnsafe, "backing-unsafe,u", nullptr,
     "do not open the backing file: it need not exist, but SIZE has to be given"},
    {kQuiet, "quiet,q", nullptr, "print nothing but errors"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kObject, "object", "DEFINITION", ""},
};

constexpr std::string_view kUsage =
    " create [OPTION...] FILE [SIZE]\n"
    "Makes the empty image FILE with a virtual disk of SIZE bytes (suffixes k, M, G, T, P, E). "
    "An\n"
    "overlay is as large as its backing file unless SIZE says otherwise.\n";

}  // namespace

OrStop<CreateCommand> ReadCreateArguments(std::span<const std::string> arguments,
                                          SandboxSettings settings) {
  CreateCommand command;
  vmm::CreateOptions& options = command.options;
  std::optional<std::string> backing;
  std::optional<std::string> backing_format;
  const auto take = [&](GivenOption& option) -> OrStop<void> {
    switch (static_cast<Id>(option.id)) {
      case kHelp:
        return Answer(VerbHelp(kUsage, kRows));
      case kFormat:
        options.format = std::move(option.value);
        return {};
      case kOptions:
        return AddOptionList(option.value, options.format_options);
      case kBacking:
        backing = std::move(option.value);
        return {};
      case kBackingFormat:
        backing_format = std::move(option.value);
        return {};
      case kUnsafe:
        options.check_backing = false;
        return {};
      case kQuiet:
        command.quiet = true;
        return {};
      case kObject:
        return Refusal(option.spelling +
                       " is not available in this version: images cannot be encrypted");
    }
    return {};
  };
  OrStop<std::vector<std::string>> operands = ReadVerbArguments(kRows, arguments, settings, take);
  if (!operands) return std::unexpected(operands.error());
  const bool help = AsksForHelp(options.format_options);
  if (operands->empty() && !help) return UsageError("Expecting image file name");
  if (operands->size() > 1) {
    const auto bytes = ParseByteSize((*operands)[1], "image size");
    if (!bytes) return Refusal(bytes.error());
    options.size_bytes = *bytes;
  }
  if (operands->size() > 2) return UsageError("Unexpected argument: " + (*operands)[2]);
  if (help) return CreateOptionHelp(options.format);
  options.path = std::move(operands->front());
  if (backing) {
    if (backing->empty()) {
      return Refusal(options.path + ": Expected backing file name, got empty string");
    }
    options.backing_file = *std::move(backing);
  }
  if (backing_format) {
    if (backing_format->empty()) return Refusal(options.path + ": Unknown driver ''");
    options.backing_format = *std::move(backing_format);
  }
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
