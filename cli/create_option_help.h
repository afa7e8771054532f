// What `-o help` prints.
#ifndef CLI_CREATE_OPTION_HELP_H_
#define CLI_CREATE_OPTION_HELP_H_

#include <string_view>

#include "cli/stop.h"

namespace instar::cli {

// Stops with the list of options a new image of the format called `format` takes, or with an error
// if there is no such format or it cannot be written.
[[nodiscard]] std::unexpected<Stop> CreateOptionHelp(std::string_view format);

}  // namespace instar::cli

#endif  // CLI_CREATE_OPTION_HELP_H_
