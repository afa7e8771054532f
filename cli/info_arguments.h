// The arguments of `info`.
#ifndef CLI_INFO_ARGUMENTS_H_
#define CLI_INFO_ARGUMENTS_H_

#include <span>
#include <string>

#include "cli/sandbox_options.h"
#include "cli/stop.h"
#include "instar/vmm/info.h"

namespace instar::cli {

struct InfoCommand {
  vmm::InfoOptions options;  // all but the sandbox, which is in `settings`
  bool json = false;
  SandboxSettings settings;
};

[[nodiscard]] OrStop<InfoCommand> ReadInfoArguments(std::span<const std::string> arguments,
                                                    SandboxSettings settings);

}  // namespace instar::cli

#endif  // CLI_INFO_ARGUMENTS_H_
