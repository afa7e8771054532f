// The arguments of `create`.
#ifndef CLI_CREATE_ARGUMENTS_H_
#define CLI_CREATE_ARGUMENTS_H_

#include <span>
#include <string>

#include "cli/sandbox_options.h"
#include "cli/stop.h"
#include "instar/vmm/create.h"

namespace instar::cli {

struct CreateCommand {
  vmm::CreateOptions options;  // all but the sandbox, which is in `settings`
  bool quiet = false;
  SandboxSettings settings;
};

[[nodiscard]] OrStop<CreateCommand> ReadCreateArguments(std::span<const std::string> arguments,
                                                        SandboxSettings settings);

}  // namespace instar::cli

#endif  // CLI_CREATE_ARGUMENTS_H_
