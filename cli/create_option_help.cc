#include "cli/create_option_help.h"

#include <span>
#include <string>

#include "formats/base/formats.h"
#include "verbs/convert_target.h"

namespace instar::cli {
namespace {

std::string_view KindName(OptionKind kind) {
  switch (kind) {
    case OptionKind::kSize:
      return "<size>";
    case OptionKind::kNumber:
    case OptionKind::kDecimal:
      return "<num>";
    case OptionKind::kBoolean:
      return "<bool (on/off)>";
    case OptionKind::kText:
      return "<str>";
  }
  return "";
}

// Appends a line for each option.
void List(std::span<const OptionSpec> options, std::string& text) {
  constexpr std::size_t kColumn = 22;
  for (const OptionSpec& option : options) {
    std::string line(option.name);
    line += '=';
    line += KindName(option.kind);
    if (line.size() < kColumn) line.resize(kColumn, ' ');
    text += "  " + line + " - " + std::string(option.summary) + '\n';
  }
}

}  // namespace

std::unexpected<Stop> CreateOptionHelp(std::string_view format) {
  const auto id = vmm::WritableFormat(std::string(format));
  if (!id.ok()) return Refusal(std::string(id.status().message()));
  std::string text = "Supported " + std::string(format) + " options:\n";
  List(PropertiesOf(*id).options, text);
  return Answer(std::move(text));
}

std::optional<std::string> AmendOptionHelp(FormatId format) {
  const std::span<const OptionSpec> options = PropertiesOf(format).amend_options;
  if (options.empty()) return std::nullopt;
  std::string text = "Amend options for '" + std::string(NameOf(format)) + "':\n";
  List(options, text);
  return text;
}

}  // namespace instar::cli
