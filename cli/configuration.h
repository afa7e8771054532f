// Configuration files: TOML whose keys are named like the options that every verb takes, with '_'
// for '-': max_memory = "1G". allow_paths is an array, the rest are strings, numbers or booleans.
#ifndef CLI_CONFIGURATION_H_
#define CLI_CONFIGURATION_H_

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace instar::cli {

// One value for the option called `option` (without dashes in front); empty for one that takes
// none.
struct ConfiguredOption {
  std::string option;
  std::string value;
  unsigned line = 0;  // 0: not from a file
};

// The settings in `text`, in order of their lines. Whether there is such an option and what it may
// be is not looked at. The error is one line without the name of the file.
[[nodiscard]] std::expected<std::vector<ConfiguredOption>, std::string> ParseConfiguration(
    std::string_view text);

// The settings in the file `path`, none if there is no such file. Somebody else's file, or one that
// somebody else may write or replace, is an error: not to obey it could mean to leave open what it
// closes. It must be a regular file that belongs to root or to the caller and that its group and
// others may not write, in directories of which the same holds, from its own up to `base` (a
// directory above it; those further up are not looked at). Others may write to a directory whose
// sticky bit is set: there they cannot replace a file of somebody else. The error is one line that
// names the file.
[[nodiscard]] std::expected<std::vector<ConfiguredOption>, std::string> ReadConfiguration(
    const std::string& path, const std::string& base);

}  // namespace instar::cli

#endif  // CLI_CONFIGURATION_H_
