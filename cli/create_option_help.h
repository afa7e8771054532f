// What `-o help` prints.
#ifndef CLI_CREATE_OPTION_HELP_H_
#define CLI_CREATE_OPTION_HELP_H_

#include <optional>
#include <string>
#include <string_view>

#include "cli/stop.h"
#include "formats/base/ids.h"

namespace instar::cli {

// Stops with the list of options a new image of the format called `format` takes, or with an error
// if there is no such format or it cannot be written.
[[nodiscard]] std::unexpected<Stop> CreateOptionHelp(std::string_view format);

// The list of options that an image of the format called `format` can be given, or nothing where it
// can be given none.
[[nodiscard]] std::optional<std::string> AmendOptionHelp(FormatId format);

}  // namespace instar::cli

#endif  // CLI_CREATE_OPTION_HELP_H_
