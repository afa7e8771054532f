// The arguments of `dd`.
#ifndef CLI_DD_ARGUMENTS_H_
#define CLI_DD_ARGUMENTS_H_

#include <span>
#include <string>

#include "cli/sandbox_options.h"
#include "cli/stop.h"
#include "instar/vmm/dd.h"

namespace instar::cli {

struct DdCommand {
  vmm::DdOptions options;  // all but the sandbox, which is in `settings`
  SandboxSettings settings;
};

[[nodiscard]] OrStop<DdCommand> ReadDdArguments(std::span<const std::string> arguments,
                                                SandboxSettings settings);

}  // namespace instar::cli

#endif  // CLI_DD_ARGUMENTS_H_
