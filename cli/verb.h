// The verbs: one table, in verb_table.cc, in which each registers.
#ifndef CLI_VERB_H_
#define CLI_VERB_H_

#include <span>
#include <string>
#include <string_view>

#include "cli/sandbox_options.h"

namespace instar::cli {

struct Verb {
  const char* name = "";
  const char* summary = "";  // one line for --help
  // Runs the verb on the arguments that follow its name and returns the exit code. Null: a verb of
  // qemu-img that this version does not have.
  int (*run)(std::span<const std::string> arguments, SandboxSettings settings) = nullptr;
  int failure = 1;  // exit code of a failure to do anything at all
};

[[nodiscard]] std::span<const Verb> Verbs();
[[nodiscard]] const Verb* FindVerb(std::string_view name);

int RunInfo(std::span<const std::string> arguments, SandboxSettings settings);
int RunMap(std::span<const std::string> arguments, SandboxSettings settings);
int RunCompare(std::span<const std::string> arguments, SandboxSettings settings);
int RunCheck(std::span<const std::string> arguments, SandboxSettings settings);
int RunConvert(std::span<const std::string> arguments, SandboxSettings settings);
int RunCreate(std::span<const std::string> arguments, SandboxSettings settings);
int RunDd(std::span<const std::string> arguments, SandboxSettings settings);
int RunMeasure(std::span<const std::string> arguments, SandboxSettings settings);
int RunDoctor(std::span<const std::string> arguments, SandboxSettings settings);

}  // namespace instar::cli

#endif  // CLI_VERB_H_
