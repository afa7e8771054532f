// The arguments of `map`.
#ifndef CLI_MAP_ARGUMENTS_H_
#define CLI_MAP_ARGUMENTS_H_

#include <span>
#include <string>

#include "cli/sandbox_options.h"
#include "cli/stop.h"
#include "instar/vmm/map.h"

namespace instar::cli {

struct MapCommand {
  vmm::MapOptions
      options;  // all but the sandbox, which is in `settings`, and who takes the entries
  bool json = false;
  SandboxSettings settings;
};

[[nodiscard]] OrStop<MapCommand> ReadMapArguments(std::span<const std::string> arguments,
                                                  SandboxSettings settings);

}  // namespace instar::cli

#endif  // CLI_MAP_ARGUMENTS_H_
