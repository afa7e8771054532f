#include "cli/verb_arguments.h"

#include <algorithm>
#include <array>
#include <utility>

#include "cli/program.h"
#include "formats/base/option_list.h"

namespace instar::cli {

namespace {

// The long name of an option: what its names begin with, up to the comma.
std::string_view LongName(const OptionRow& row) {
  const std::string_view names = row.names;
  return names.substr(0, names.find(','));
}

// The options of every verb that a verb with `rows` has: where both know a name (--strict of
// compare), the verb's own option has it.
std::vector<OptionRow> CommonRows(std::span<const OptionRow> rows) {
  std::vector<OptionRow> common;
  common.reserve(SandboxOptionRows().size());
  for (const OptionRow& row : SandboxOptionRows()) {
    if (std::ranges::find(rows, LongName(row), LongName) == rows.end()) common.push_back(row);
  }
  return common;
}

}  // namespace

OrStop<std::vector<std::string>> ReadVerbArguments(
    std::span<const OptionRow> rows, std::span<const std::string> arguments,
    SandboxSettings& settings, absl::FunctionRef<OrStop<void>(GivenOption&)> take) {
  const std::vector<OptionRow> common = CommonRows(rows);
  const std::array tables = {rows, std::span<const OptionRow>(common)};
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
  help += DescribeOptions(CommonRows(rows));
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
