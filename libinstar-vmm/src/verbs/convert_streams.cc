#include "verbs/convert_streams.h"

#include <absl/strings/str_cat.h>

#include "formats/base/create_options.h"
#include "formats/base/target_files.h"
#include "report/printable_text.h"

namespace instar::vmm {
namespace {

std::string ShownSource(const std::string& name) {
  return name == "-" ? "standard input" : absl::StrCat("'", PrintableText(name), "'");
}
std::string ShownTarget(const std::string& name) {
  return name == "-" ? "standard output" : absl::StrCat("'", PrintableText(name), "'");
}

// Whether the options make a fixed VHD.
bool IsFixedVhd(const std::string& list) {
  bool fixed = false;
  bool azure = false;
  OptionList items(list);
  while (const auto item = items.Next()) {
    const auto setting = CheckOption(FormatId::kVpc, *item);
    if (!setting) continue;
    if (setting->spec->name == "subformat") fixed = setting->text == "fixed";
    if (setting->spec->name == "azure") azure = setting->number != 0;
  }
  return fixed || azure;
}

bool GoesForward(const TargetPlan& plan) {
  return plan.format == FormatId::kRaw ||
         (plan.format == FormatId::kVmdk &&
          VmdkSubformatOf(plan.options) == VmdkSubformat::kStreamOptimized) ||
         (plan.format == FormatId::kVpc && IsFixedVhd(plan.options));
}

}  // namespace

absl::Status CheckInputStream(const ImageSpec& source) {
  if (source.window) {
    return absl::InvalidArgumentError(absl::StrCat(
        ShownSource(source.path), " is a pipe, of which no part can be read by itself"));
  }
  if (source.format == "raw" || source.format == "file") return absl::OkStatus();
  if (source.format.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShownSource(source.path),
                     " is a pipe, which can be read only once, so its format cannot be found out: "
                     "say -f raw"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      ShownSource(source.path), " is a pipe, from which only raw images can be read, not ",
      PrintableText(source.format), "; keep it in a file first"));
}

absl::Status CheckOutputStream(const ConvertOptions& options, const TargetPlan& plan) {
  const std::string target = ShownTarget(options.target);
  if (options.keep_target) {
    return absl::InvalidArgumentError(
        absl::StrCat(target, " is a pipe: there is no image in it to write into (-n)"));
  }
  if (!GoesForward(plan)) {
    return absl::InvalidArgumentError(
        absl::StrCat(target,
                     " is a pipe, into which this format cannot be written, only raw, vmdk with "
                     "subformat=streamOptimized and vpc with subformat=fixed"));
  }
  const auto preallocation = OptionValue(plan.options, "preallocation");
  if (preallocation && *preallocation != "off") {
    return absl::InvalidArgumentError(
        absl::StrCat(target, " is a pipe, which has no storage to preallocate"));
  }
  return absl::OkStatus();
}

bool IsWrittenAsItComes(const ConvertOptions& options, const TargetPlan& plan) {
  const DiskWindow everything;
  return options.sources.size() == 1 && plan.format == FormatId::kRaw && plan.options.empty() &&
         plan.backing_name.empty() && !options.compress && !options.bitmaps &&
         !options.skip_broken_bitmaps && !options.keep_target &&
         options.snapshot.id_or_name.empty() && options.snapshot.id.empty() &&
         options.snapshot.name.empty() && options.window.start == everything.start &&
         options.window.end == everything.end;
}

}  // namespace instar::vmm
