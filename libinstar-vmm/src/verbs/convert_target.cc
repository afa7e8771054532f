#include "verbs/convert_target.h"

#include <absl/strings/str_cat.h>

#include <optional>
#include <string_view>
#include <utility>

#include "formats/base/create_options.h"
#include "operation/status_macros.h"
#include "report/printable_text.h"

namespace instar::vmm {

absl::StatusOr<FormatId> WritableFormat(const std::string& name) {
  const FormatId format = FormatFromName(name);
  if (format == FormatId::kUnknown) {
    return absl::InvalidArgumentError(
        absl::StrCat("Unknown file format '", PrintableText(name), "'"));
  }
  if (PropertiesOf(format).options.empty()) {
    return absl::UnimplementedError(
        absl::StrCat("Writing format '", name, "' is not available in this version"));
  }
  return format;
}

absl::StatusOr<CreateOptionList> ReadOptionList(FormatId format, const std::string& list) {
  return ReadOptionList(PropertiesOf(format).options, list);
}

absl::StatusOr<CreateOptionList> ReadOptionList(std::span<const OptionSpec> specs,
                                                const std::string& list) {
  auto read = CreateOptionList::Read(specs, list);
  if (read) return *std::move(read);
  std::string text;
  for (const std::string_view piece : read.error()) text += piece;
  return absl::InvalidArgumentError(PrintableText(text));
}

std::string TextOption(const std::string& list, std::string_view name) {
  std::string text;
  if (const auto value = OptionValue(list, name)) AppendOptionText(*value, text);
  return text;
}

void TakeBacking(CreateOptionList& options, std::string& name, std::string& format) {
  if (name.empty()) name = SettingText(options.settings(), "backing_file");
  if (format.empty()) format = SettingText(options.settings(), "backing_fmt");
  options.Erase("backing_file");
  options.Erase("backing_fmt");
}

absl::Status CheckTakesBacking(FormatId format, std::string_view name,
                               std::string_view backing_format) {
  if (name.empty() && backing_format.empty()) return absl::OkStatus();
  if (FindOption(format, "backing_file") != nullptr) {
    if (!name.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("Backing format cannot be used without backing file");
  }
  return absl::InvalidArgumentError(absl::StrCat("Backing file ", name.empty() ? "format " : "",
                                                 "not supported for file format '",
                                                 std::string(NameOf(format)), "'"));
}

namespace {

absl::Status CheckBacking(const TargetPlan& plan) {
  INSTAR_RETURN_IF_ERROR(CheckTakesBacking(plan.format, plan.backing_name, plan.backing_format));
  if (!plan.backing_name.empty() && plan.backing_format.empty()) {
    return absl::InvalidArgumentError("Use of backing file requires explicit backing format");
  }
  if (!plan.backing_format.empty() && FormatFromName(plan.backing_format) == FormatId::kUnknown) {
    return absl::InvalidArgumentError(
        absl::StrCat("Unknown backing file format '", PrintableText(plan.backing_format), "'"));
  }
  return absl::OkStatus();
}

absl::Status CheckCompression(const ConvertOptions& options, const TargetPlan& plan) {
  if (!options.compress) return absl::OkStatus();
  if (!PropertiesOf(plan.format).compresses) {
    return absl::InvalidArgumentError("Compression not supported for this file format");
  }
  if (plan.preallocates()) {
    return absl::InvalidArgumentError(
        "Compression and preallocation not supported at the same time");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TargetPlan> PlanTarget(const ConvertOptions& options) {
  INSTAR_ASSIGN_OR_RETURN_STATUS(const FormatId format, WritableFormat(options.target_format));
  INSTAR_ASSIGN_OR_RETURN_STATUS(CreateOptionList read,
                                 ReadOptionList(format, options.target_options));
  if (options.target_window && (!options.keep_target || !IsBareDisk(format))) {
    return absl::InvalidArgumentError(
        "only an existing raw target can be a part of its file (an offset and a size)");
  }
  TargetPlan plan{.format = format,
                  .options = std::move(read),
                  .backing_name = options.backing_file,
                  .backing_format = options.backing_format};
  const OptionSettings settings = plan.options.settings();
  plan.data_file = SettingText(settings, "data_file");
  plan.zstd = SettingText(settings, "compression_type") == "zstd";
  TakeBacking(plan.options, plan.backing_name, plan.backing_format);
  // With -n nothing is made that could have a backing file: it only tells what may be left out.
  if (!options.keep_target) INSTAR_RETURN_IF_ERROR(CheckBacking(plan));
  if (options.target_is_zero && !plan.backing_name.empty()) {
    return absl::InvalidArgumentError(
        "Cannot use --target-is-zero when the destination image has a backing file");
  }
  INSTAR_RETURN_IF_ERROR(CheckCompression(options, plan));
  return plan;
}

}  // namespace instar::vmm
