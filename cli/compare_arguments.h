// The arguments of `compare`.
#ifndef CLI_COMPARE_ARGUMENTS_H_
#define CLI_COMPARE_ARGUMENTS_H_

#include <span>
#include <string>

#include "cli/sandbox_options.h"
#include "cli/stop.h"
#include "instar/vmm/compare.h"

namespace instar::cli {

struct CompareCommand {
  vmm::CompareOptions options;  // all but the sandbox, which is in `settings`
  bool progress = false;
  bool quiet = false;
  SandboxSettings settings;
};

[[nodiscard]] OrStop<CompareCommand> ReadCompareArguments(std::span<const std::string> arguments,
                                                          SandboxSettings settings);

}  // namespace instar::cli

#endif  // CLI_COMPARE_ARGUMENTS_H_
