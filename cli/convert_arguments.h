// The arguments of `convert`.
#ifndef CLI_CONVERT_ARGUMENTS_H_
#define CLI_CONVERT_ARGUMENTS_H_

#include <span>
#include <string>

#include "cli/sandbox_options.h"
#include "cli/stop.h"
#include "instar/vmm/convert.h"

namespace instar::cli {

struct ConvertCommand {
  vmm::ConvertOptions options;  // all but progress and the sandbox, which is in `settings`
  bool progress = false;        // -p without -q
  bool quiet = false;
  SandboxSettings settings;
};

// What qemu-img refuses without looking at a file is refused here, in its order and, but for what
// it says on several lines, in its words.
[[nodiscard]] OrStop<ConvertCommand> ReadConvertArguments(std::span<const std::string> arguments,
                                                          SandboxSettings settings);

}  // namespace instar::cli

#endif  // CLI_CONVERT_ARGUMENTS_H_
