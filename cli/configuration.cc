#include "cli/configuration.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace instar::cli {
namespace {

constexpr std::size_t kLargestFile = 1 << 20;

std::string At(const toml::source_region& source, std::string_view text) {
  return "line " + std::to_string(source.begin.line) + ": " + std::string(text);
}

}  // namespace

std::expected<Configuration, std::string> ParseConfiguration(std::string_view text) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return std::unexpected(At(parsed.error().source(), parsed.error().description()));
  }
  Configuration configuration;
  for (const auto& [key, node] : parsed.table()) {
    if (key.str() == "allow_paths") {
      const toml::array* paths = node.as_array();
      if (paths == nullptr || !(paths->empty() || paths->is_homogeneous<std::string>())) {
        return std::unexpected(At(node.source(), "allow_paths must be an array of directories"));
      }
      for (const toml::node& path : *paths) {
        configuration.allow_paths.push_back(path.as_string()->get());
      }
    } else if (key.str() == "isolation") {
      if (!node.is_string()) {
        return std::unexpected(At(node.source(), "isolation must be a string"));
      }
      configuration.isolation = node.as_string()->get();
    } else {
      return std::unexpected(At(node.source(), "unknown key '" + std::string(key.str()) + "'"));
    }
  }
  return configuration;
}

std::expected<Configuration, std::string> ReadConfiguration(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return Configuration{};
    return std::unexpected("Could not open '" + path + "': " + std::strerror(errno));
  }
  std::string text(kLargestFile + 1, '\0');
  std::size_t size = 0;
  ssize_t count = 0;
  while (size < text.size() && (count = read(file, text.data() + size, text.size() - size)) != 0) {
    if (count < 0 && errno != EINTR) break;
    if (count > 0) size += static_cast<std::size_t>(count);
  }
  const int failure = count < 0 ? errno : 0;
  close(file);
  if (failure != 0) {
    return std::unexpected("Could not read '" + path + "': " + std::strerror(failure));
  }
  if (size > kLargestFile) return std::unexpected("'" + path + "' is too large");
  text.resize(size);
  auto configuration = ParseConfiguration(text);
  if (!configuration) return std::unexpected(path + ": " + configuration.error());
  return configuration;
}

}  // namespace instar::cli
