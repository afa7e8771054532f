// What the runs of all verbs begin and end with.
#ifndef CLI_BEGIN_RUN_H_
#define CLI_BEGIN_RUN_H_

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "cli/sandbox_options.h"
#include "cli/strict_profile.h"
#include "cli/verb.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::cli {

// The end of a run that takes too long.
struct RunLimit {
  std::chrono::milliseconds own{};  // the verb's, where the user asks for none; 0: no limit
  int exit_code = 1;
};

// Starts the time of a run of `verb` on `file` and settles its isolation: hands over to the program
// that parses unprotected if that is asked for, says on standard error if there is no KVM and
// nobody chose to do without, and which path of a configuration file is not there. Returns the exit
// code, 0 to go on.
[[nodiscard]] int BeginRun(SandboxSettings& settings, const Verb& verb, std::string_view file,
                           RunLimit limit = {});

// The same, and where the settings are strict, judges `sources`, all the images that `command`
// (cli/verb.h) reads. Then hands what its options need of the settings over to `command.options`.
template <typename Command>
[[nodiscard]] int Begin(Command& command, const Verb& verb, std::string_view file,
                        std::span<const vmm::ImageSpec> sources, RunLimit limit = {}) {
  if (const int failure = BeginRun(command.settings, verb, file, limit)) return failure;
  bool force_share = true;
  if constexpr (requires { command.options.force_share; }) {
    force_share = command.options.force_share;
  }
  if (JudgeSources(command.settings, sources, force_share) != Judgement::kPassed)
    return verb.failure;
  command.options.sandbox = command.settings.sandbox;
  if constexpr (requires { command.options.reproducible; }) {
    command.options.reproducible = command.settings.reproducible;
  }
  return 0;
}

// Says so if only the run showed that isolation is weaker than one might expect.
void ConfirmIsolation(const SandboxSettings& settings, vmm::Isolation used);

void PrintWarnings(std::span<const std::string> warnings);

// What there is to say of a run that came to its end.
template <typename Report>
void ConfirmRun(const SandboxSettings& settings, const Report& report) {
  ConfirmIsolation(settings, report.isolation);
  PrintWarnings(report.warnings);
}

}  // namespace instar::cli

#endif  // CLI_BEGIN_RUN_H_
