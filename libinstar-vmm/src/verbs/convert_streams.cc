#include "verbs/convert_streams.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <string>
#include <utility>
#include <vector>

#include "formats/base/formats.h"
#include "report/printable_text.h"

namespace instar::vmm {
namespace {

std::string ShownSource(const std::string& name) {
  return name == "-" ? "standard input" : absl::StrCat("'", PrintableText(name), "'");
}
std::string ShownTarget(const std::string& name) {
  return name == "-" ? "standard output" : absl::StrCat("'", PrintableText(name), "'");
}

bool GoesForward(const TargetPlan& plan) {
  const auto goes_forward = PropertiesOf(plan.format).goes_forward;
  return goes_forward != nullptr && goes_forward(plan.options.settings());
}

// The formats that can be written so: "raw, vmdk with subformat=streamOptimized and ...".
std::string FormsThatGoForward() {
  std::vector<std::string> forms;
  for (const FormatProperties& format : kFormatProperties) {
    if (format.goes_forward == nullptr) continue;
    std::string form(NameOf(format.id));
    if (!format.forward_form.empty()) {
      absl::StrAppend(&form, " with ", std::string(format.forward_form));
    }
    forms.push_back(std::move(form));
  }
  const std::string last = forms.back();
  forms.pop_back();
  return absl::StrCat(absl::StrJoin(forms, ", "), " and ", last);
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
        absl::StrCat(target, " is a pipe, into which this format cannot be written, only ",
                     FormsThatGoForward()));
  }
  if (plan.preallocates()) {
    return absl::InvalidArgumentError(
        absl::StrCat(target, " is a pipe, which has no storage to preallocate"));
  }
  return absl::OkStatus();
}

bool IsWrittenAsItComes(const ConvertOptions& options, const TargetPlan& plan) {
  const DiskWindow everything;
  return options.sources.size() == 1 && IsBareDisk(plan.format) &&
         plan.options.settings().empty() && plan.backing_name.empty() && !options.compress &&
         !options.bitmaps && !options.skip_broken_bitmaps && !options.keep_target &&
         options.snapshot.id_or_name.empty() && options.snapshot.id.empty() &&
         options.snapshot.name.empty() && options.window.start == everything.start &&
         options.window.end == everything.end;
}

}  // namespace instar::vmm
