#include "verbs/convert_target.h"

#include <absl/strings/str_cat.h>

#include <optional>
#include <string_view>

#include "formats/base/create_options.h"
#include "report/printable_text.h"

namespace instar::vmm {

absl::StatusOr<FormatId> WritableFormat(const std::string& name) {
  const FormatId format = FormatFromName(name);
  if (format == FormatId::kUnknown) {
    return absl::InvalidArgumentError(
        absl::StrCat("Unknown file format '", PrintableText(name), "'"));
  }
  if (OptionsOf(format).empty()) {
    return absl::UnimplementedError(
        absl::StrCat("Writing format '", name, "' is not available in this version"));
  }
  return format;
}

absl::Status CheckOptionList(FormatId format, const std::string& list) {
  const auto checked = CheckCreateOptions(format, list);
  if (checked) return absl::OkStatus();
  std::string text;
  for (const std::string_view piece : checked.error().pieces) text += piece;
  return absl::InvalidArgumentError(PrintableText(text));
}

std::string TextOption(const std::string& list, std::string_view name) {
  std::string text;
  if (const auto value = OptionValue(list, name)) AppendOptionText(*value, text);
  return text;
}

std::string WithoutBacking(const std::string& list) {
  std::string rest;
  OptionList items(list);
  while (const auto item = items.Next()) {
    if (item->name == "backing_file" || item->name == "backing_fmt") continue;
    if (!rest.empty()) rest += ',';
    rest += item->name;
    if (item->has_value) {
      rest += '=';
      rest += item->value;
    }
  }
  return rest;
}

namespace {

absl::Status CheckBacking(const TargetPlan& plan) {
  const std::string_view format = NameOf(plan.format);
  const bool can_have_backing = FindOption(plan.format, "backing_file") != nullptr;
  if (!plan.backing_name.empty() && !can_have_backing) {
    return absl::InvalidArgumentError(
        absl::StrCat("Backing file not supported for file format '", std::string(format), "'"));
  }
  if (!plan.backing_format.empty() && !can_have_backing) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Backing file format not supported for file format '", std::string(format), "'"));
  }
  if (!plan.backing_name.empty() && plan.backing_format.empty()) {
    return absl::InvalidArgumentError("Use of backing file requires explicit backing format");
  }
  if (plan.backing_name.empty() && !plan.backing_format.empty()) {
    return absl::InvalidArgumentError("Backing format cannot be used without backing file");
  }
  if (!plan.backing_format.empty() && FormatFromName(plan.backing_format) == FormatId::kUnknown) {
    return absl::InvalidArgumentError(
        absl::StrCat("Unknown backing file format '", PrintableText(plan.backing_format), "'"));
  }
  return absl::OkStatus();
}

absl::Status CheckCompression(const ConvertOptions& options, const TargetPlan& plan) {
  if (!options.compress) return absl::OkStatus();
  if (FindOption(plan.format, "compression_type") == nullptr && plan.format != FormatId::kVmdk) {
    return absl::InvalidArgumentError("Compression not supported for this file format");
  }
  const auto preallocation = OptionValue(plan.options, "preallocation");
  if (preallocation && *preallocation != "off") {
    return absl::InvalidArgumentError(
        "Compression and preallocation not supported at the same time");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TargetPlan> PlanTarget(const ConvertOptions& options) {
  const auto format = WritableFormat(options.target_format);
  if (!format.ok()) return format.status();
  if (absl::Status status = CheckOptionList(*format, options.target_options); !status.ok()) {
    return status;
  }
  if (options.target_window && (!options.keep_target || *format != FormatId::kRaw)) {
    return absl::InvalidArgumentError(
        "only an existing raw target can be a part of its file (an offset and a size)");
  }
  TargetPlan plan{.format = *format,
                  .options = WithoutBacking(options.target_options),
                  .backing_name = options.backing_file,
                  .backing_format = options.backing_format,
                  .data_file = TextOption(options.target_options, "data_file"),
                  .zstd = TextOption(options.target_options, "compression_type") == "zstd"};
  if (plan.backing_name.empty()) {
    plan.backing_name = TextOption(options.target_options, "backing_file");
  }
  if (plan.backing_format.empty()) {
    plan.backing_format = TextOption(options.target_options, "backing_fmt");
  }
  // With -n nothing is made that could have a backing file: it only tells what may be left out.
  if (!options.keep_target) {
    if (absl::Status status = CheckBacking(plan); !status.ok()) return status;
  }
  if (options.target_is_zero && !plan.backing_name.empty()) {
    return absl::InvalidArgumentError(
        "Cannot use --target-is-zero when the destination image has a backing file");
  }
  if (absl::Status status = CheckCompression(options, plan); !status.ok()) return status;
  return plan;
}

}  // namespace instar::vmm
