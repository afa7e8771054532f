#include "cli/verb.h"

#include <array>

#include "cli/program.h"

namespace instar::cli {
namespace {

std::string HelpText(const Verb& verb) {
  std::string text = "usage:";
  for (std::string_view forms = verb.synopsis; !forms.empty();) {
    const std::size_t end = forms.find('\n');
    text += text.ends_with(':') ? " " : "       ";
    text += ProgramName();
    text += ' ';
    text += verb.name;
    text += ' ';
    text += forms.substr(0, end);
    text += '\n';
    forms = end == forms.npos ? std::string_view() : forms.substr(end + 1);
  }
  text += verb.description;
  text += "\nOptions:\n";
  text += DescribeOptions(verb.options);
  text += "\nOptions that every verb takes:\n";
  text += DescribeOptions(SandboxOptionRows(), verb.options);
  return text;
}

}  // namespace

OrStop<std::vector<std::string>> ReadVerbOptions(const Verb& verb,
                                                 std::span<const std::string> arguments,
                                                 SandboxSettings& settings, void* command) {
  const std::array tables = {OptionTable{.rows = verb.options, .target = command},
                             OptionTable{.rows = SandboxOptionRows(), .target = &settings}};
  Arguments given = ReadArguments(tables, arguments, Operands::kMixed);
  for (GivenOption& option : given.options) {
    if (option.row->take == nullptr) return Answer(HelpText(verb));
    INSTAR_TRY(option.Take());
  }
  if (!given.fault.empty()) return UsageError(given.fault);
  return std::move(given.operands);
}

int ConcludeVerb(const Verb& verb, const Stop& stop) {
  const int code = Conclude(stop);
  return stop.kind == Stop::Kind::kError ? verb.failure : code;
}

}  // namespace instar::cli
