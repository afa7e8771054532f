#include "cli/formatting_line.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "cli/terminal_text.h"
#include "formats/base/create_options.h"

namespace instar::cli {
namespace {

using Settings = std::vector<std::pair<std::string_view, std::string>>;

void Set(Settings& settings, std::string_view name, std::string value) {
  const auto known = std::ranges::find(settings, name, &Settings::value_type::first);
  if (known == settings.end()) {
    settings.emplace_back(name, std::move(value));
  } else {
    known->second = std::move(value);
  }
}

std::string WithDoubledCommas(std::string_view text) {
  std::string doubled;
  for (const char c : text) {
    doubled += c;
    if (c == ',') doubled += c;
  }
  return doubled;
}

Settings SettingsOf(const NewImage& image) {
  Settings settings;
  const auto options = CreateOptionList::Read(image.format, image.options);
  if (!options) return settings;
  for (const OptionSetting& setting : options->settings()) {
    Set(settings, setting.name,
        IsNumber(FindOption(image.format, setting.name)->kind) ? std::to_string(setting.number)
                                                               : WithDoubledCommas(setting.text));
  }
  Set(settings, "size", std::to_string(image.virtual_size_bytes));
  if (!image.backing_file.empty()) {
    Set(settings, "backing_file", WithDoubledCommas(image.backing_file));
  }
  if (!image.backing_format.empty()) {
    Set(settings, "backing_fmt", WithDoubledCommas(image.backing_format));
  }
  return settings;
}

}  // namespace

std::string FormattingLine(const NewImage& image) {
  std::string line = "Formatting '";
  line += TerminalText(image.path);
  line += "', fmt=";
  line += NameOf(image.format);
  const auto show = [&line](std::string_view name, std::string_view value) {
    line += ' ';
    line += name;
    line += '=';
    line += TerminalText(value);
  };
  Settings settings = SettingsOf(image);
  OptionList shown(PropertiesOf(image.format).shown_options);
  while (const auto option = shown.Next()) {
    const auto given = std::ranges::find(settings, option->name, &Settings::value_type::first);
    if (given != settings.end()) {
      show(option->name, given->second);
      settings.erase(given);
    } else if (option->has_value) {
      show(option->name, option->value);
    }
  }
  // Options of our own come last.
  for (const auto& [name, value] : settings) show(name, value);
  line += '\n';
  return line;
}

}  // namespace instar::cli
