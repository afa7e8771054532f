#include "cli/verb_arguments.h"

#include <array>
#include <utility>

#include "cli/program.h"
#include "formats/base/option_list.h"

namespace instar::cli {

OrStop<std::vector<std::string>> ReadVerbArguments(
    std::span<const OptionRow> rows, std::span<const std::string> arguments,
    SandboxSettings& settings, absl::FunctionRef<OrStop<void>(GivenOption&)> take) {
  const std::array tables = {rows, SandboxOptionRows()};
  Arguments given = ReadArguments(tables, arguments, Operands::kMixed);
  for (GivenOption& option : given.options) {
    if (const auto error = ApplySandboxOption(option, settings)) {
      if (!error->empty()) return Refusal(*error);
      continue;
    }
    if (OrStop<void> taken = take(option); !taken) return std::unexpected(taken.error());
  }
  if (!given.fault.empty()) return UsageError(given.fault);
  return std::move(given.operands);
}

OrStop<OneImage> ReadOneImage(std::span<const OptionRow> rows,
                              std::span<const std::string> arguments, SandboxSettings& settings,
                              absl::FunctionRef<OrStop<void>(GivenOption&)> take,
                              const std::string& form) {
  OrStop<std::vector<std::string>> operands = ReadVerbArguments(rows, arguments, settings, take);
  if (!operands) return std::unexpected(operands.error());
  if (operands->size() != 1) return UsageError("Expecting one image file name");
  const OrStop<bool> json = ReadOutputForm(form);
  if (!json) return std::unexpected(json.error());
  return OneImage{.name = std::move(operands->front()), .json = *json};
}

std::string VerbHelp(std::string_view text, std::span<const OptionRow> rows) {
  std::string help = "usage: ";
  help += ProgramName();
  help += text;
  help += "\nOptions:\n";
  help += DescribeOptions(rows);
  help += "\nOptions that every verb takes:\n";
  help += DescribeOptions(SandboxOptionRows());
  return help;
}

OrStop<bool> ReadOutputForm(std::string_view form) {
  if (form != "human" && form != "json") {
    return Refusal("--output must be used with human or json as argument.");
  }
  return form == "json";
}

OrStop<void> AddOptionList(std::string_view list, std::string& lists) {
  if (!OptionList::WellFormed(list)) return Refusal("Invalid option list: " + std::string(list));
  if (!lists.empty()) lists += ',';
  lists += list;
  return {};
}

std::unexpected<Stop> NotAvailable(const GivenOption& option) {
  return Refusal(option.spelling + " is not available in this version");
}

}  // namespace instar::cli
