// The arguments of `check`.
#ifndef CLI_CHECK_ARGUMENTS_H_
#define CLI_CHECK_ARGUMENTS_H_

#include <span>
#include <string>

#include "cli/sandbox_options.h"
#include "cli/stop.h"
#include "instar/vmm/check.h"

namespace instar::cli {

struct CheckCommand {
  std::string image;          // as the user named or described it
  vmm::CheckOptions options;  // all but the sandbox, which is in `settings`
  bool json = false;
  bool quiet = false;
  bool repair = false;  // -r, of which it can only be said whether the format has it
  SandboxSettings settings;
};

[[nodiscard]] OrStop<CheckCommand> ReadCheckArguments(std::span<const std::string> arguments,
                                                      SandboxSettings settings);

}  // namespace instar::cli

#endif  // CLI_CHECK_ARGUMENTS_H_
