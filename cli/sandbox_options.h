// The options that every verb takes: how strongly to isolate, what images may refer to, the bounds,
// and which qemu-img to look like. Also where their defaults come from: configuration files and the
// environment.
#ifndef CLI_SANDBOX_OPTIONS_H_
#define CLI_SANDBOX_OPTIONS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "cli/qemu_version.h"
#include "cli/stop.h"
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

// The rows of these options, bound to SandboxSettings.
[[nodiscard]] std::span<const OptionRow> SandboxOptionRows();

// Takes the value of --trace. Before the verb it may be a pattern of qemu-img as well: IsTrace says
// whether it means something here.
OrStop<void> TakeTrace(SandboxSettings& settings, GivenOption& given);
[[nodiscard]] bool IsTrace(std::string_view value);

// Fills `settings` from /etc/instar/config.toml, the user's config.toml and the environment, each
// overruling what comes before it (allowed directories add up).
OrStop<void> LoadDefaults(SandboxSettings& settings);

}  // namespace instar::cli

#endif  // CLI_SANDBOX_OPTIONS_H_
