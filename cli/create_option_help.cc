#include "cli/create_option_help.h"

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

}  // namespace

std::unexpected<Stop> CreateOptionHelp(std::string_view format) {
  constexpr std::size_t kColumn = 22;
  const auto id = vmm::WritableFormat(std::string(format));
  if (!id.ok()) return Refusal(std::string(id.status().message()));
  std::string text = "Supported " + std::string(format) + " options:\n";
  for (const OptionSpec& option : PropertiesOf(*id).options) {
    std::string line(option.name);
    line += '=';
    line += KindName(option.kind);
    if (line.size() < kColumn) line.resize(kColumn, ' ');
    text += "  " + line + " - " + std::string(option.summary) + '\n';
  }
  return Answer(std::move(text));
}

}  // namespace instar::cli
