// instar bitmap: changes the dirty bitmaps of an image, in place.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/byte_size.h"
#include "cli/edit_messages.h"
#include "cli/interruption.h"
#include "cli/messages.h"
#include "cli/shared_options.h"
#include "cli/verb.h"
#include "instar/verb_table.h"
#include "instar/vmm/bitmap.h"
#include "verbs/open_image.h"

namespace instar::cli {
namespace {

struct BitmapCommand {
  SandboxSettings settings;
  ImageForm form;
  std::optional<std::string> granularity;
  std::optional<std::string> source;
  std::optional<std::string> source_format;
  vmm::BitmapOptions options;

  OrStop<void> TakeOperands(std::vector<std::string> operands);
  int Run(const Verb& verb);

 private:
  [[nodiscard]] bool Has(BitmapOperation operation) const {
    return std::ranges::find(options.actions, operation, &vmm::BitmapAction::operation) !=
           options.actions.end();
  }
  // Whether all actions are ones that concern no bitmap in particular.
  [[nodiscard]] bool NeedsNoName() const {
    return std::ranges::all_of(options.actions, [](const vmm::BitmapAction& action) {
      return action.operation == BitmapOperation::kRemoveAll;
    });
  }
  [[nodiscard]] OrStop<void> CheckOptions();
};

template <BitmapOperation kOperation>
OrStop<void> TakeAction(BitmapCommand& command, GivenOption& given) {
  command.options.actions.push_back({kOperation, std::move(given.value)});
  return {};
}

template <BitmapOperation kOperation>
consteval OptionRow Action(const char* name, const char* help) {
  return Call<TakeAction<kOperation>>(name, nullptr, help);
}

constexpr OptionRow kRows[] = {
    Action<BitmapOperation::kAdd>("add", "add the bitmap: enabled, with nothing set"),
    Action<BitmapOperation::kRemove>("remove",
                                     "remove it, also one that was not stored completely"),
    Action<BitmapOperation::kRemoveAll>("remove-all", "remove all bitmaps of the image"),
    Action<BitmapOperation::kClear>("clear", "clear all of its bits"),
    Action<BitmapOperation::kEnable>("enable", "have it record what is written from now on"),
    Action<BitmapOperation::kDisable>("disable", "have it record nothing from now on"),
    Call<TakeAction<BitmapOperation::kMerge>>("merge", "SOURCE",
                                              "set what the bitmap SOURCE has set, too"),
    Text<&BitmapCommand::granularity>(
        "granularity,g", "SIZE",
        "of the disk that one bit stands for, with --add: a power of two from 512 to 2G (default\n"
        "the size of a cluster, but at least 4k and at most 64k)"),
    Text<&BitmapCommand::source>("source-file,b", "FILE",
                                 "merge bitmaps of this image, which is only read"),
    Text<&BitmapCommand::source_format>(
        "source-format,F", "FORMAT",
        "take that image for this format instead of looking at its content"),
    Text<&BitmapCommand::form, &ImageForm::format>(
        "format,f", "FORMAT",
        "take the image for this format instead of looking at its content; final, nothing is "
        "probed"),
    kImageOptsRow<&BitmapCommand::form, &ImageForm::options>,
    kHelpRow,
    kObjectRow,
};

// In qemu-img's order.
OrStop<void> BitmapCommand::CheckOptions() {
  const QemuVersion version = settings.qemu_version;
  if (granularity) {
    const auto bytes = ParseByteSize(*granularity, "granularity");
    if (!bytes) {
      return Refusal(TextOf(Message::kBitmapGranularity, version, {*granularity, bytes.error()}));
    }
    options.granularity_bytes = *bytes;
  }
  if (options.actions.empty()) return Refusal(TextOf(Message::kBitmapNoAction, version));
  if (options.granularity_bytes != 0 && !Has(BitmapOperation::kAdd)) {
    return Refusal("granularity only supported with --add");
  }
  if (source_format && !source) return Refusal("-F only supported with -b");
  if (source && !Has(BitmapOperation::kMerge)) {
    return Refusal("Merge bitmap source file only supported with --merge");
  }
  return {};
}

OrStop<void> BitmapCommand::TakeOperands(std::vector<std::string> operands) {
  INSTAR_TRY(CheckOptions());
  if (NeedsNoName()) {
    if (operands.size() != 1) return Refusal("Expecting filename");
  } else if (operands.size() != 2) {
    return Refusal("Expecting filename and bitmap name");
  } else {
    options.name = std::move(operands[1]);
  }
  INSTAR_ASSIGN_OR_RETURN(options.image, ReadEditedImageSpec(operands[0], form));
  if (source) {
    INSTAR_ASSIGN_OR_RETURN(options.source,
                            ReadImageSpec(*source, {.format = source_format.value_or("")}));
  }
  return {};
}

int BitmapCommand::Run(const Verb& verb) {
  std::vector<vmm::ImageSpec> images = {options.image};
  if (options.source) images.push_back(*options.source);
  if (const int failure = Begin(*this, verb, vmm::ShownName(options.image), images)) {
    return failure;
  }
  options.opened = [&](const vmm::BitmapReport& report) {
    if (report.guessed_raw) WarnOfGuess(options.image);
  };
  EndChangesOnInterruption(vmm::ShownName(options.image), verb.name);
  const absl::StatusOr<vmm::BitmapReport> report = vmm::Bitmap(options);
  if (!report.ok()) return PrintEditError(report.status());
  ConfirmRun(settings, *report);
  return 0;
}

}  // namespace

extern constinit const Verb kBitmap = {
    kGuestVerb<BitmapRequest>.name,
    kGuestVerb<BitmapRequest>.brief,
    "[ACTION...] [OPTION...] FILE BITMAP\n--remove-all FILE",
    "Does the actions on the dirty bitmap BITMAP of the qcow2 image FILE, in the order given. "
    "They\n"
    "are one change: all of them are done, or none. The file holds the old image or the new one "
    "at\n"
    "every moment: after an error, a signal or a crash it is one of the two, whole.\n",
    kRows,
    RunAs<BitmapCommand>,
};

}  // namespace instar::cli
