#include "verbs/convert_streams.h"

#include <absl/strings/str_cat.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

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
  switch (plan.format) {
    case FormatId::kRaw:
      return true;
    case FormatId::kVmdk:
      return VmdkSubformatOf(plan.options) == VmdkSubformat::kStreamOptimized;
    case FormatId::kVpc:
      return IsFixedVhd(plan.options);
    case FormatId::kUnknown:
    case FormatId::kQcow2:
    case FormatId::kVhdx:
    case FormatId::kLuks:
    case FormatId::kVdi:
    case FormatId::kQed:
    case FormatId::kQcow1:
    case FormatId::kParallels:
    case FormatId::kDmg:
    case FormatId::kBochs:
    case FormatId::kCloop:
      return false;
  }
  return false;
}

// Whether two sources, the first a pipe, are one and the same.
bool SamePipe(const ImageSpec& a, const ImageSpec& b) {
  const auto find = [](const ImageSpec& source, struct stat& status) {
    return source.path == "-" ? fstat(STDIN_FILENO, &status) == 0
                              : stat(source.path.c_str(), &status) == 0;
  };
  struct stat first{};
  struct stat second{};
  return find(a, first) && find(b, second) && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

}  // namespace

absl::Status CheckInputStream(const ImageSpec& source, std::span<const ImageSpec> all) {
  if (std::ranges::count_if(all, [&](const ImageSpec& other) { return SamePipe(source, other); }) !=
      1) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShownSource(source.path), " is a pipe, which can be read only once"));
  }
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
