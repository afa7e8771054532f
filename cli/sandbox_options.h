// The options that every verb takes: how strongly to isolate, what images may refer to, the bounds,
// and which qemu-img to look like. Also where their defaults come from: configuration files and the
// environment.
#ifndef CLI_SANDBOX_OPTIONS_H_
#define CLI_SANDBOX_OPTIONS_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "cli/qemu_version.h"
#include "cli/timing_trace.h"
#include "instar/vmm/sandbox.h"

namespace instar::cli {

// What the options set, on top of the defaults.
struct SandboxSettings {
  vmm::SandboxOptions sandbox;
  // Every image that a verb reads must pass the strict profile (cli/strict_profile.h): by a
  // configuration file, or by --strict, which makes `info` print the verdict.
  bool strict_by_configuration = false;
  bool strict = false;
  bool fallback_announced = false;
  bool reproducible = false;  // identities follow from content; for the verbs that write images
  // Paths in sandbox.references.allow_paths that were not given on the command line, and where they
  // stand ("/etc/instar/config.toml: line 2: allow_paths").
  struct ConfiguredPath {
    std::string path;
    std::string where;
  };
  std::vector<ConfiguredPath> configured_paths;
  QemuVersion qemu_version = kNewestQemuVersion;
  TimingTrace* trace = nullptr;  // of the program, for --trace=timing
};

// --trace before the verb takes the patterns of qemu-img as well.
inline constexpr int kTraceOption = 1100;
// Whether `value` is one of those that mean something here.
[[nodiscard]] bool IsTrace(std::string_view value);

// The rows of these options; their ids are above all others'.
[[nodiscard]] std::span<const OptionRow> SandboxOptionRows();

// Applies `option` if it is one of these; nothing if it is not. The string is an error line, empty
// on success.
[[nodiscard]] std::optional<std::string> ApplySandboxOption(const GivenOption& option,
                                                            SandboxSettings& settings);

// Fills `settings` from /etc/instar/config.toml, the user's config.toml and the environment, each
// overruling what comes before it (allowed directories add up). Returns an error line, or an empty
// string.
[[nodiscard]] std::string LoadDefaults(SandboxSettings& settings);

// What to do before and after a sandboxed verb ran, about isolation that is weaker than one might
// expect. Settle: hands over to the program that parses unprotected if that is asked for, says on
// standard error if there is no KVM and nobody chose to do without, and which path of a
// configuration file is not there; returns the exit code, 0 to go on. Confirm: says so if that
// showed only during the run.
[[nodiscard]] int SettleIsolation(SandboxSettings& settings);
void ConfirmIsolation(const SandboxSettings& settings, vmm::Isolation used);

}  // namespace instar::cli

#endif  // CLI_SANDBOX_OPTIONS_H_
