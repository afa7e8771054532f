#include "cli/formatting_line.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "cli/terminal_text.h"
#include "formats/base/create_options.h"

namespace instar::cli {
namespace {

struct Shown {
  std::string_view name;
  std::string_view fallback{};  // shown where the option is not given; empty: nothing is
};

constexpr std::array kRawOrder = {Shown{"size"}, Shown{"nocow"}, Shown{"preallocation"},
                                  Shown{"extent_size_hint"}};
constexpr std::array kQcow2Order = {
    Shown{"encryption"},
    Shown{"encrypt.format"},
    Shown{"encrypt.key-secret"},
    Shown{"encrypt.cipher-alg"},
    Shown{"encrypt.cipher-mode"},
    Shown{"encrypt.ivgen-alg"},
    Shown{"encrypt.ivgen-hash-alg"},
    Shown{"encrypt.hash-alg"},
    Shown{"encrypt.iter-time"},
    Shown{"cluster_size", "65536"},
    Shown{"extended_l2", "off"},
    Shown{"preallocation"},
    Shown{"compression_type", "zlib"},
    Shown{"size"},
    Shown{"compat"},
    Shown{"backing_file"},
    Shown{"backing_fmt"},
    Shown{"data_file"},
    Shown{"data_file_raw"},
    Shown{"lazy_refcounts", "off"},
    Shown{"refcount_bits", "16"},
    Shown{"nocow"},
    Shown{"extent_size_hint"},
};
constexpr std::array kVmdkOrder = {
    Shown{"size"},         Shown{"adapter_type"},   Shown{"backing_file"},
    Shown{"backing_fmt"},  Shown{"compat6", "off"}, Shown{"hwversion", "undefined"},
    Shown{"toolsversion"}, Shown{"subformat"},      Shown{"zeroed_grain"},
    Shown{"nocow"},        Shown{"preallocation"},  Shown{"extent_size_hint"},
};
constexpr std::array kVpcOrder = {
    Shown{"size"},  Shown{"subformat"},     Shown{"force_size"},
    Shown{"nocow"}, Shown{"preallocation"}, Shown{"extent_size_hint"},
};
constexpr std::array kVhdxOrder = {
    Shown{"size"},          Shown{"log_size", "1048576"}, Shown{"block_size", "0"},
    Shown{"subformat"},     Shown{"block_state_zero"},    Shown{"nocow"},
    Shown{"preallocation"}, Shown{"extent_size_hint"},
};

std::span<const Shown> OrderOf(FormatId format) {
  switch (format) {
    case FormatId::kRaw:
      return kRawOrder;
    case FormatId::kQcow2:
      return kQcow2Order;
    case FormatId::kVmdk:
      return kVmdkOrder;
    case FormatId::kVpc:
      return kVpcOrder;
    case FormatId::kVhdx:
      return kVhdxOrder;
    case FormatId::kUnknown:
    case FormatId::kLuks:
    case FormatId::kVdi:
    case FormatId::kQed:
    case FormatId::kQcow1:
    case FormatId::kParallels:
    case FormatId::kDmg:
    case FormatId::kBochs:
    case FormatId::kCloop:
      return {};
  }
  return {};
}

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
  OptionList items(image.options);
  while (const auto item = items.Next()) {
    const auto setting = CheckOption(image.format, *item);
    if (!setting) continue;
    Set(settings, setting->spec->name,
        IsNumber(setting->spec->kind) ? std::to_string(setting->number)
                                      : std::string(setting->text));
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
  for (const Shown& option : OrderOf(image.format)) {
    const auto given = std::ranges::find(settings, option.name, &Settings::value_type::first);
    if (given != settings.end()) {
      show(option.name, given->second);
      settings.erase(given);
    } else if (!option.fallback.empty()) {
      show(option.name, option.fallback);
    }
  }
  // Options of our own come last.
  for (const auto& [name, value] : settings) show(name, value);
  line += '\n';
  return line;
}

}  // namespace instar::cli
