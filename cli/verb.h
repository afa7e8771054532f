// The verbs. Each is a file verb_NAME.cc that ends with its row, kName. CMake lists the rows after
// the names of the files, so a new verb is a new file and nothing else.
//
// A row is bound to a struct, the verb's command: what its command line asks for. The struct has a
// member `settings` (what the options of every verb set), the members that the verb's own options
// set, and two functions:
//
//     // Takes what is no option, and judges all of it together.
//     OrStop<void> TakeOperands(std::vector<std::string> operands);
//     // Does the work of `verb`. Returns the exit code.
//     int Run(const Verb& verb);
//
// A verb that runs in a guest of its own takes name and brief from its row there
// (instar/verb_table.h).
#ifndef CLI_VERB_H_
#define CLI_VERB_H_

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/options.h"
#include "cli/sandbox_options.h"
#include "cli/stop.h"
#include "formats/base/error.h"

namespace instar::cli {

struct Verb {
  std::string_view name;
  const char* brief = "";        // one line for --help
  const char* synopsis = "";     // what follows its name: a line for each form of the command
  const char* description = "";  // lines for its own --help
  std::span<const OptionRow> options;
  // Runs the verb on the arguments that follow its name and returns the exit code. Null: a verb of
  // qemu-img that this version does not have.
  int (*run)(const Verb& verb, std::span<const std::string> arguments,
             SandboxSettings settings) = nullptr;
  int failure = 1;  // exit code of a failure to do anything at all
};

// In the order of their names.
[[nodiscard]] std::span<const Verb* const> Verbs();
[[nodiscard]] const Verb* FindVerb(std::string_view name);

// Reads the options of `verb` into `command` and the options of every verb into `settings`. Returns
// the operands, or the first mistake in the order of the arguments.
[[nodiscard]] OrStop<std::vector<std::string>> ReadVerbOptions(
    const Verb& verb, std::span<const std::string> arguments, SandboxSettings& settings,
    void* command);

// Reads a whole command line into `command`, whose settings hold the defaults.
template <typename Command>
[[nodiscard]] OrStop<void> ReadCommand(const Verb& verb, std::span<const std::string> arguments,
                                       Command& command) {
  INSTAR_ASSIGN_OR_RETURN(std::vector<std::string> operands,
                          ReadVerbOptions(verb, arguments, command.settings, &command));
  return command.TakeOperands(std::move(operands));
}

// Prints why `verb` does not run, as `version` does. Returns the exit code, which is 1 for mistakes
// in the form of the command, as with every verb of qemu-img.
int ConcludeVerb(const Verb& verb, const Stop& stop, QemuVersion version);

// Verb::run of a verb with this command.
template <typename Command>
int RunAs(const Verb& verb, std::span<const std::string> arguments, SandboxSettings settings) {
  Command command{.settings = std::move(settings)};
  if (const OrStop<void> read = ReadCommand(verb, arguments, command); !read) {
    return ConcludeVerb(verb, read.error(), command.settings.qemu_version);
  }
  return command.Run(verb);
}

}  // namespace instar::cli

#endif  // CLI_VERB_H_
