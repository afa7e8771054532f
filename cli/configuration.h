// Configuration files: TOML with the keys allow_paths (an array of directories) and isolation.
#ifndef CLI_CONFIGURATION_H_
#define CLI_CONFIGURATION_H_

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace instar::cli {

struct Configuration {
  std::vector<std::string> allow_paths;
  std::optional<std::string> isolation;
};

// The configuration in `text`. The error is one line without the name of the file.
[[nodiscard]] std::expected<Configuration, std::string> ParseConfiguration(std::string_view text);

// The configuration in the file `path`, an empty one if there is no such file. The error is one
// line that names the file.
[[nodiscard]] std::expected<Configuration, std::string> ReadConfiguration(const std::string& path);

}  // namespace instar::cli

#endif  // CLI_CONFIGURATION_H_
