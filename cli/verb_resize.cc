// instar resize: gives the virtual disk of an image another size, in place.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/byte_size.h"
#include "cli/edit_messages.h"
#include "cli/interruption.h"
#include "cli/messages.h"
#include "cli/program.h"
#include "cli/shared_options.h"
#include "cli/verb.h"
#include "instar/verb_table.h"
#include "instar/vmm/resize.h"
#include "verbs/open_image.h"

namespace instar::cli {
namespace {

constexpr Choice<Growth> kGrowths[] = {
    {"off", Growth::kOff},
    {"metadata", Growth::kMetadata},
    {"falloc", Growth::kFalloc},
    {"full", Growth::kFull},
};

struct ResizeCommand {
  SandboxSettings settings;
  std::string name;
  ImageForm form;
  std::string cache = "writeback";
  vmm::ResizeOptions options;
  bool quiet = false;

  OrStop<void> TakeOperands(std::vector<std::string> operands);
  int Run(const Verb& verb);

 private:
  OrStop<void> TakeSize(std::string_view text);
};

OrStop<Growth> ReadGrowth(const GivenOption& given) {
  if (const auto growth = Choose(kGrowths, given.value)) return *growth;
  return Refusal("Invalid preallocation mode '" + given.value + "'");
}

constexpr OptionRow kRows[] = {
    Text<&ResizeCommand::form, &ImageForm::format>(
        "format,f", "FORMAT",
        "take the image for this format instead of looking at its content; final, nothing is "
        "probed"),
    kImageOptsRow<&ResizeCommand::form, &ImageForm::options>,
    kShrinkRow<&ResizeCommand::options, &vmm::ResizeOptions::shrink>,
    Value<ReadGrowth, &ResizeCommand::options, &vmm::ResizeOptions::growth>(
        "preallocation", kAlternatives<kGrowths>.data(),
        "how the part that the disk grows by is stored (default off)"),
    kCacheRow<&ResizeCommand::cache>,
    Flag<&ResizeCommand::quiet>("quiet,q", "print nothing but errors"),
    kHelpRow,
    kObjectRow,
};

bool IsSigned(std::string_view text) { return text.starts_with('+') || text.starts_with('-'); }

bool IsSize(std::string_view text) {
  if (IsSigned(text)) text.remove_prefix(1);
  return ParseSizeParameter(text).has_value();
}

OrStop<void> ResizeCommand::TakeSize(std::string_view text) {
  std::string_view number = text;
  if (IsSigned(text)) {
    options.change = text.front() == '+' ? SizeChange::kPlus : SizeChange::kMinus;
    number.remove_prefix(1);
  }
  const auto bytes = ParseSizeParameter(number);
  if (bytes) {
    options.bytes = *bytes;
    return {};
  }
  if (bytes.error() == SizeFault::kTooLarge) {
    return Refusal("Value '" + std::string(number) + "' is out of range for parameter 'size'");
  }
  return Refusal("Parameter 'size' expects a non-negative number below 2^64");
}

OrStop<void> ResizeCommand::TakeOperands(std::vector<std::string> operands) {
  if (operands.size() > 2) {
    return UsageError(TextOf(Message::kResizeTooMany, settings.qemu_version));
  }
  if (operands.size() < 2) return UsageError("Expecting image file name and size");
  // The size may come first if nothing else can be meant.
  const bool first = !IsSize(operands[1]) && IsSigned(operands[0]) && IsSize(operands[0]);
  INSTAR_TRY(TakeSize(operands[first ? 0 : 1]));
  name = std::move(operands[first ? 1 : 0]);
  INSTAR_ASSIGN_OR_RETURN(options.cache, ReadCacheMode(cache, "cache"));
  INSTAR_ASSIGN_OR_RETURN(options.image, ReadEditedImageSpec(name, form));
  return {};
}

int ResizeCommand::Run(const Verb& verb) {
  if (const int failure = Begin(*this, verb, vmm::ShownName(options.image), {&options.image, 1})) {
    return failure;
  }
  bool needs_shrink = false;
  options.opened = [&](const vmm::ResizeReport& report) {
    if (report.guessed_raw) WarnOfGuess(options.image);
    needs_shrink = report.new_size != 0 && report.new_size < report.old_size && !options.shrink &&
                   options.growth == Growth::kOff;
  };
  EndChangesOnInterruption(vmm::ShownName(options.image), verb.name);
  const absl::StatusOr<vmm::ResizeReport> report = vmm::Resize(options);
  if (!report.ok()) {
    PrintEditError(report.status());
    if (needs_shrink) WarnOfShrinking();
    return 1;
  }
  ConfirmRun(settings, *report);
  return quiet ? 0 : PrintOutput("Image resized.\n");
}

// "-1M" is a size, not options called 1 and M.
std::vector<std::string> WithSizesLast(std::span<const std::string> arguments) {
  std::vector<std::string> before;
  std::vector<std::string> sizes;
  const auto end = std::ranges::find(arguments, "--");
  for (auto argument = arguments.begin(); argument != end; ++argument) {
    const bool size = argument->size() > 1 && (*argument)[0] == '-' && (*argument)[1] >= '0' &&
                      (*argument)[1] <= '9';
    (size ? sizes : before).push_back(*argument);
  }
  if (sizes.empty()) return {arguments.begin(), arguments.end()};
  before.emplace_back("--");
  if (end != arguments.end()) before.insert(before.end(), end + 1, arguments.end());
  before.insert(before.end(), sizes.begin(), sizes.end());
  return before;
}

int RunVerb(const Verb& verb, std::span<const std::string> arguments, SandboxSettings settings) {
  const bool help = std::ranges::find(arguments, "--help") != arguments.end() ||
                    std::ranges::find(arguments, "-h") != arguments.end();
  // Older versions count before they look at anything.
  const std::string few = TextOf(Message::kResizeTooFew, settings.qemu_version);
  if (arguments.size() < 2 && !help && few != TextOf(Message::kResizeTooFew, kNewestQemuVersion)) {
    return ConcludeVerb(verb, UsageError(few).error(), settings.qemu_version);
  }
  return RunAs<ResizeCommand>(verb, WithSizesLast(arguments), std::move(settings));
}

}  // namespace

extern constinit const Verb kResize = {
    kGuestVerb<ResizeRequest>.name,
    kGuestVerb<ResizeRequest>.brief,
    "[OPTION...] FILE [+|-]SIZE",
    "Gives the virtual disk of FILE the size SIZE, or with + or - so much more or less (suffixes\n"
    "k, M, G, T, P, E). The file holds the old image or the new one at every moment: after an\n"
    "error, a signal or a crash it is one of the two, whole. What the disk grows by reads as\n"
    "zeros.\n",
    kRows,
    RunVerb,
};

}  // namespace instar::cli
