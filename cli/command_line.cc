#include "cli/command_line.h"

#include <array>
#include <csignal>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "cli/option_rows.h"
#include "cli/options.h"
#include "cli/program.h"
#include "cli/sandbox_options.h"
#include "cli/stop.h"
#include "cli/verb.h"
#include "formats/base/formats.h"

namespace instar::cli {
namespace {

std::string VersionText(QemuVersion imitated) {
  const std::string version = INSTAR_VERSION;
  if (ProgramName() == "qemu-img") {
    return "qemu-img version " + ToString(imitated) + ".0 (instar " + version + ")\n";
  }
  return "instar version " + version + " (speaks as qemu-img " + ToString(imitated) + ")\n";
}

OrStop<void> AnswerVersion(SandboxSettings& settings, GivenOption&) {
  return Answer(VersionText(settings.qemu_version));
}

// --trace of this program; patterns of qemu-img change nothing.
OrStop<void> TakeAnyTrace(SandboxSettings& settings, GivenOption& given) {
  return IsTrace(given.value) ? TakeTrace(settings, given) : OrStop<void>();
}

// The options that come before the verb besides those of every verb.
constexpr OptionRow kRows[] = {
    {"help,h", nullptr, "show this text; after a verb, what that verb takes"},
    Call<AnswerVersion>("version,V", nullptr, "show the version"),
    Call<TakeAnyTrace>(",T", "PATTERN",
                       "as --trace; patterns of qemu-img are accepted, without effect"),
    Call<TakeAnyTrace>("trace", "PATTERN", ""),
};

std::string HelpText(QemuVersion imitated) {
  std::string text = VersionText(imitated);
  text += "usage: ";
  text += ProgramName();
  text +=
      " [OPTION...] VERB [ARGUMENT...]\n"
      "Inspects and converts disk images that nobody has to trust: they are parsed in a sandbox.\n"
      "\nVerbs:\n";
  std::string later;
  for (const Verb* verb : Verbs()) {
    if (verb->run == nullptr) {
      later += ' ';
      later += verb->name;
      continue;
    }
    std::string line = "  ";
    line += verb->name;
    line.resize(12, ' ');
    text += line + verb->brief + '\n';
  }
  text += "Not available in this version:" + later + "\n\nOptions:\n";
  text += DescribeOptions(kRows);
  text += "\nOptions that every verb takes as well:\n";
  text += DescribeOptions(SandboxOptionRows());
  text +=
      "\nDefaults of these come from /etc/instar/config.toml, ~/.config/instar/config.toml and "
      "the\n"
      "environment (INSTAR_ISOLATION, INSTAR_ALLOW_PATH, INSTAR_QEMU_VERSION).\n";
  std::string supported = "\nSupported formats:";
  std::string refused = "\nRecognised and refused:";
  for (const FormatName& format : kFormatNames) {
    std::string& list = PropertiesOf(format.id).id == format.id ? supported : refused;
    list += ' ';
    list += format.name;
  }
  text += supported + refused + '\n';
  return text;
}

OrStop<const Verb*> ReadGlobalArguments(std::span<const std::string> arguments,
                                        SandboxSettings& settings, std::size_t& verb_at) {
  const std::array tables = {OptionTable{.rows = kRows, .target = &settings},
                             OptionTable{.rows = SandboxOptionRows(), .target = &settings}};
  Arguments given = ReadArguments(tables, arguments, Operands::kEndOptions);
  for (GivenOption& option : given.options) {
    if (option.row->take == nullptr) return Answer(HelpText(settings.qemu_version));
    INSTAR_TRY(option.Take());
  }
  if (given.fault) return OptionError(given.fault->Text(settings.qemu_version));
  verb_at = given.first_operand;
  if (verb_at >= arguments.size()) return UsageError("Not enough arguments");
  const std::string& name = arguments[verb_at];
  if (const Verb* verb = FindVerb(name)) return verb;
  return UsageError("Command not found: " + name);
}

// Where memory is refused, by the jail's limit or the system, the command ends as with any error.
int Run(const Verb& verb, std::span<const std::string> arguments, const SandboxSettings& settings) {
  try {
    return verb.run(verb, arguments, settings);
  } catch (const std::bad_alloc&) {
    PrintError("out of memory: this process reached its limit, or the system has no more");
    return verb.failure;
  }
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  TimingTrace trace;
  SetProgram(argv);
  // A reader that goes away is a write error like any other.
  std::signal(SIGPIPE, SIG_IGN);
  // And so is a file that would become longer than the system allows (ulimit -f).
  std::signal(SIGXFSZ, SIG_IGN);
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);

  SandboxSettings settings;
  settings.sandbox.jail = vmm::Jail::kThisProcess;
  settings.sandbox.notices.warning = [](const std::string& line) {
    PrintError("warning: " + line);
  };
  settings.trace = &trace;
  const OrStop<void> configured = LoadDefaults(settings);
  std::size_t verb_at = 0;
  const OrStop<const Verb*> verb = ReadGlobalArguments(arguments, settings, verb_at);
  if (!verb) return Conclude(verb.error());
  if (!configured) return ConcludeVerb(**verb, configured.error(), settings.qemu_version);
  if ((*verb)->run == nullptr) {
    return PrintError("'" + std::string((*verb)->name) + "' is not available in this version");
  }
  const int code = Run(**verb, std::span(arguments).subspan(verb_at + 1), settings);
  trace.Print();
  return code;
}

}  // namespace instar::cli
