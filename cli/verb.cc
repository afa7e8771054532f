#include "cli/verb.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "cli/program.h"
#include "verb_list.h"

namespace instar::cli {

#define INSTAR_DECLARE(name, row) extern const Verb row;
INSTAR_CLI_VERBS(INSTAR_DECLARE)
#undef INSTAR_DECLARE

namespace {

// Verbs of qemu-img that this version does not have. A row counts only as long as the verb has no
// file.
constexpr Verb kLater[] = {
    {"bench"}, {"bitmap"}, {"commit"}, {"rebase"}, {"resize"}, {"snapshot"},
};

struct Listed {
  std::string_view name;
  const Verb* verb = nullptr;
};
#define INSTAR_LIST(name, row) {name, &row},
constexpr Listed kHere[] = {INSTAR_CLI_VERBS(INSTAR_LIST)};
#undef INSTAR_LIST

constexpr bool IsLater(const Verb& verb) {
  return std::ranges::find(kHere, verb.name, &Listed::name) == std::end(kHere);
}

// All of them, in the order of their names.
constexpr auto kVerbs = [] {
  std::array<Listed, std::size(kHere) + std::ranges::count_if(kLater, IsLater)> listed;
  auto end = std::ranges::copy(kHere, listed.begin()).out;
  for (const Verb& verb : kLater) {
    if (IsLater(verb)) *end++ = {verb.name, &verb};
  }
  std::ranges::sort(listed, {}, &Listed::name);
  std::array<const Verb*, listed.size()> verbs;
  std::ranges::transform(listed, verbs.begin(), &Listed::verb);
  return verbs;
}();

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

std::span<const Verb* const> Verbs() { return kVerbs; }

const Verb* FindVerb(std::string_view name) {
  const auto verb = std::ranges::find(kVerbs, name, &Verb::name);
  return verb == kVerbs.end() ? nullptr : *verb;
}

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
  if (given.fault) return OptionError(given.fault->Text(settings.qemu_version));
  return std::move(given.operands);
}

int ConcludeVerb(const Verb& verb, const Stop& stop, QemuVersion version) {
  const bool usage = stop.kind == Stop::Kind::kOption || stop.kind == Stop::Kind::kUsage;
  if (usage && version >= kHelpOfVerbs) {
    const bool option = stop.kind == Stop::Kind::kOption;
    return PrintUsageError(stop.text, option ? verb.name : std::string_view(), verb.name);
  }
  const int code = Conclude(stop);
  return stop.kind == Stop::Kind::kError ? verb.failure : code;
}

}  // namespace instar::cli
