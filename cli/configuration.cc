#include "cli/configuration.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace instar::cli {
namespace {

constexpr std::size_t kLargestFile = 1 << 20;

std::string At(unsigned line, std::string_view text) {
  return "line " + std::to_string(line) + ": " + std::string(text);
}

std::string OptionName(std::string_view key) {
  if (key == "allow_paths") return "allow-path";
  std::string name(key);
  std::ranges::replace(name, '_', '-');
  return name;
}

// Why what has this status may not be obeyed, as what follows its name; null if it may.
const char* WhyNotTrusted(const struct stat& status) {
  if (status.st_uid != 0 && status.st_uid != geteuid()) {
    return "belongs neither to you nor to root";
  }
  const bool writable = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  const bool sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  if (writable && !sticky) return "can be written by others than its owner";
  return nullptr;
}

std::string NotObeyed(const std::string& path, std::string_view what, std::string_view why) {
  return "'" + path + "' is not obeyed, and nothing is done without it: " + std::string(what) +
         " " + std::string(why) + " (chown, chmod, or another HOME or XDG_CONFIG_HOME)";
}

// The error line for a file, open as `file`, that is not the caller's own business; else empty.
std::string CheckTrust(int file, const std::string& path, const std::string& base) {
  struct stat status{};
  if (fstat(file, &status) != 0) {
    return "Could not look at '" + path + "': " + std::strerror(errno);
  }
  if (!S_ISREG(status.st_mode)) return NotObeyed(path, "it", "is not a regular file");
  if (const char* why = WhyNotTrusted(status)) return NotObeyed(path, "it", why);
  for (std::string directory = path; directory.size() > base.size();) {
    const std::size_t slash = directory.rfind('/');
    if (slash == std::string::npos) break;
    directory.resize(std::max<std::size_t>(slash, 1));
    if (stat(directory.c_str(), &status) != 0) {
      return "Could not look at '" + directory + "': " + std::strerror(errno);
    }
    if (const char* why = WhyNotTrusted(status)) {
      return NotObeyed(path, "the directory '" + directory + "'", why);
    }
    if (directory.size() == 1) break;
  }
  return {};
}

}  // namespace

std::expected<std::vector<ConfiguredOption>, std::string> ParseConfiguration(
    std::string_view text) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return std::unexpected(At(parsed.error().source().begin.line, parsed.error().description()));
  }
  std::vector<ConfiguredOption> options;
  for (const auto& [key, node] : parsed.table()) {
    const unsigned line = node.source().begin.line;
    const auto add = [&, name = OptionName(key.str())](std::string value) {
      options.push_back({.option = name, .value = std::move(value), .line = line});
    };
    if (key.str() == "allow_paths") {
      const toml::array* paths = node.as_array();
      if (paths == nullptr || !(paths->empty() || paths->is_homogeneous<std::string>())) {
        return std::unexpected(At(line, "allow_paths must be an array of directories"));
      }
      for (const toml::node& path : *paths) add(path.as_string()->get());
    } else if (const auto* words = node.as_string()) {
      add(words->get());
    } else if (const auto* number = node.as_integer()) {
      add(std::to_string(number->get()));
    } else if (const auto* on = node.as_boolean()) {
      if (on->get()) add({});
    } else {
      return std::unexpected(
          At(line, std::string(key.str()) + " must be a string, a number, true or false"));
    }
  }
  std::ranges::stable_sort(options, {}, &ConfiguredOption::line);
  return options;
}

std::expected<std::vector<ConfiguredOption>, std::string> ReadConfiguration(
    const std::string& path, const std::string& base) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::vector<ConfiguredOption>{};
    return std::unexpected("Could not open '" + path + "': " + std::strerror(errno));
  }
  if (std::string error = CheckTrust(file, path, base); !error.empty()) {
    close(file);
    return std::unexpected(std::move(error));
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
  auto options = ParseConfiguration(text);
  if (!options) return std::unexpected(path + ": " + options.error());
  return options;
}

}  // namespace instar::cli
