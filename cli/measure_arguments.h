// The arguments of `measure`.
#ifndef CLI_MEASURE_ARGUMENTS_H_
#define CLI_MEASURE_ARGUMENTS_H_

#include <span>
#include <string>

#include "cli/sandbox_options.h"
#include "cli/stop.h"
#include "instar/vmm/measure.h"

namespace instar::cli {

struct MeasureCommand {
  vmm::MeasureOptions options;  // all but the sandbox, which is in `settings`
  bool json = false;
  SandboxSettings settings;
};

[[nodiscard]] OrStop<MeasureCommand> ReadMeasureArguments(std::span<const std::string> arguments,
                                                          SandboxSettings settings);

}  // namespace instar::cli

#endif  // CLI_MEASURE_ARGUMENTS_H_
