#include "cli/measure_arguments.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/byte_size.h"
#include "cli/create_option_help.h"
#include "cli/image_spec.h"
#include "cli/program.h"
#include "cli/snapshot_choice.h"
#include "cli/verb_arguments.h"
#include "formats/base/create_options.h"

namespace instar::cli {
namespace {

enum Id : int {
  kHelp = 1,
  kSourceFormat,
  kSnapshot,
  kTargetFormat,
  kTargetOptions,
  kSize,
  kOutput,
  kForceShare,
  kImageOpts,
  kObject,
};

constexpr OptionRow kRows[] = {
    {kTargetFormat, "target-format,O", "FORMAT", "format of the new image (default raw)"},
    {kTargetOptions, "target-format-options,o", "NAME=VALUE,...",
     "options of that format; may be repeated; '-o help' lists them"},
    {kSize, "size,s", "SIZE", "measure an empty disk of SIZE bytes instead of an image"},
    {kSourceFormat, "source-format,f", "FORMAT",
     "take FILE for this format instead of looking at its content"},
    {kSourceFormat, "format", "FORMAT", ""},
    {kImageOpts, "image-opts", nullptr, kImageOptsHelp},
    {kSnapshot, "snapshot,l", "SNAPSHOT",
     "measure this internal snapshot: an ID, a name, snapshot.id=ID, snapshot.name=NAME\n"
     "or both with a comma"},
    {kOutput, "output", "FORM", "print for people (human, the default) or programs (json)"},
    {kForceShare, "force-share,U", nullptr,
     "read FILE even while somebody writes to it; the figures may then be wrong"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kObject, "object", "DEFINITION", ""},
};

std::string HelpText() {
  std::string text = " measure [OPTION...] FILE\n       ";
  text += ProgramName();
  text +=
      " measure [OPTION...] --size SIZE\n"
      "Calculates how long the file would be that convert makes of the image FILE, or create of a\n"
      "disk of SIZE bytes.\n";
  return VerbHelp(text, kRows);
}

}  // namespace

OrStop<MeasureCommand> ReadMeasureArguments(std::span<const std::string> arguments,
                                            SandboxSettings settings) {
  MeasureCommand command;
  vmm::MeasureOptions& options = command.options;
  ImageForm image;
  bool snapshot_given = false;
  std::optional<std::uint64_t> size;
  const auto take = [&](GivenOption& option) -> OrStop<void> {
    switch (static_cast<Id>(option.id)) {
      case kHelp:
        return Answer(HelpText());
      case kSourceFormat:
        image.format = std::move(option.value);
        return {};
      case kSnapshot: {
        auto snapshot = ReadSnapshot(option.value);
        if (!snapshot) return std::unexpected(snapshot.error());
        options.snapshot = *std::move(snapshot);
        snapshot_given = true;
        return {};
      }
      case kTargetFormat:
        options.target_format = std::move(option.value);
        return {};
      case kTargetOptions:
        return AddOptionList(option.value, options.target_options);
      case kSize: {
        const auto bytes = ParseByteSize(option.value, "image size");
        if (!bytes) return Refusal(bytes.error());
        size = *bytes;
        return {};
      }
      case kOutput: {
        const OrStop<bool> json = ReadOutputForm(option.value);
        if (!json) return std::unexpected(json.error());
        command.json = *json;
        return {};
      }
      case kForceShare:
        options.force_share = true;
        return {};
      case kImageOpts:
        image.options = true;
        return {};
      case kObject:
        return NotAvailable(option);
    }
    return {};
  };
  OrStop<std::vector<std::string>> operands = ReadVerbArguments(kRows, arguments, settings, take);
  if (!operands) return std::unexpected(operands.error());
  if (operands->size() > 1) return Refusal("At most one filename argument is allowed.");
  const bool file = !operands->empty();
  if (!file && (!image.format.empty() || image.options || snapshot_given)) {
    return Refusal("--image-opts, -f, and -l require a filename argument.");
  }
  if (file && size) return Refusal("--size N cannot be used together with a filename.");
  if (AsksForHelp(options.target_options)) return CreateOptionHelp(options.target_format);
  if (!file && !size) return Refusal("Either --size N or one filename must be specified.");
  if (file && operands->front().empty() && !image.options) {
    return Refusal("Could not open '': The 'file' block driver requires a file name");
  }
  if (file) {
    auto spec = ReadImageSpec(operands->front(), image);
    if (!spec) return std::unexpected(spec.error());
    options.image = *std::move(spec);
  }
  options.size_bytes = size.value_or(0);
  command.settings = std::move(settings);
  return command;
}

}  // namespace instar::cli
