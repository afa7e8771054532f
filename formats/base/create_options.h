// Reading the options of an image (-o) by the properties of its format: those of a new one, or
// those that one can be given later. Header-only; the host
// does it, once for each list.
//
// What is checked here is what can be told from one option alone: that the format has it and that
// its value is of its kind. How options agree with one another is the writer's to say (CreateImage
// in formats/create.h).
#ifndef FORMATS_BASE_CREATE_OPTIONS_H_
#define FORMATS_BASE_CREATE_OPTIONS_H_

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/base/formats.h"
#include "formats/base/option_list.h"
#include "formats/base/option_settings.h"

namespace instar {

// What is wrong with an option, in pieces to be joined into one line. They point into the list and
// into static storage.
using OptionFault = std::array<std::string_view, 5>;

// `item` as a setting of one of `specs`, commas of its text still doubled. "name" alone turns a
// boolean on, "noname" off.
[[nodiscard]] constexpr std::expected<OptionSetting, OptionFault> ReadOption(
    std::span<const OptionSpec> specs, const OptionItem& item) {
  OptionSetting setting{.name = item.name, .text = item.has_value ? item.value : "on"};
  const OptionSpec* spec = FindOption(specs, item.name);
  if (spec == nullptr && !item.has_value && item.name.starts_with("no")) {
    spec = FindOption(specs, item.name.substr(2));
    setting.text = "off";
  }
  if (spec == nullptr) {
    return std::unexpected(OptionFault{"Invalid parameter '", item.name, "'"});
  }
  setting.name = spec->name;
  const auto number = [&]() -> std::optional<std::uint64_t> {
    switch (spec->kind) {
      case OptionKind::kSize:
        return ParseOptionSize(setting.text);
      case OptionKind::kNumber:
        return ParseOptionNumber(setting.text);
      case OptionKind::kDecimal:
        return ParseDigits(setting.text, 10);
      case OptionKind::kBoolean:
        return ParseOptionBoolean(setting.text);
      case OptionKind::kText:
        if (spec->Accepts(setting.text)) return 0;
        return std::nullopt;
    }
    return std::nullopt;
  }();
  if (number) {
    setting.number = *number;
    return setting;
  }
  switch (spec->kind) {
    case OptionKind::kSize:
      return std::unexpected(
          OptionFault{"Parameter '", setting.name, "' expects a non-negative number below 2^64"});
    case OptionKind::kNumber:
    case OptionKind::kDecimal:
      return std::unexpected(OptionFault{"Parameter '", setting.name, "' expects a number"});
    case OptionKind::kBoolean:
      return std::unexpected(OptionFault{"Parameter '", setting.name, "' expects 'on' or 'off'"});
    case OptionKind::kText:
      break;
  }
  return std::unexpected(OptionFault{"Parameter '",
                                     spec->choice_name.empty() ? setting.name : spec->choice_name,
                                     "' does not accept value '", setting.text, "'"});
}

// The same for a new image of `format`.
[[nodiscard]] constexpr std::expected<OptionSetting, OptionFault> ReadOption(
    FormatId format, const OptionItem& item) {
  return ReadOption(PropertiesOf(format).options, item);
}

// A list that was read: its settings and the text that they view.
class CreateOptionList {
 public:
  CreateOptionList() = default;
  CreateOptionList(CreateOptionList&&) = default;
  CreateOptionList& operator=(CreateOptionList&&) = default;

  // Reads `list` for a new image of `format`, or finds the first fault in it. An empty list is
  // none.
  [[nodiscard]] static std::expected<CreateOptionList, OptionFault> Read(FormatId format,
                                                                         std::string_view list) {
    return Read(PropertiesOf(format).options, list);
  }
  // The same of a list of which `specs` are the options that there are.
  [[nodiscard]] static std::expected<CreateOptionList, OptionFault> Read(
      std::span<const OptionSpec> specs, std::string_view list) {
    CreateOptionList read;
    if (list.empty()) return read;
    if (!OptionList::WellFormed(list)) {
      return std::unexpected(OptionFault{"Invalid option list: ", list});
    }
    read.text_.reserve(list.size());  // views stay where they are
    OptionList items(list);
    while (const auto item = items.Next()) {
      auto setting = ReadOption(specs, *item);
      if (!setting) return std::unexpected(setting.error());
      if (item->has_value) {
        const std::size_t start = read.text_.size();
        AppendOptionText(setting->text, read.text_);
        setting->text = {read.text_.data() + start, read.text_.size() - start};
      }
      read.settings_.push_back(*setting);
    }
    return read;
  }

  [[nodiscard]] const std::vector<OptionSetting>& settings() const { return settings_; }
  // Leaves out the option `name`.
  void Erase(std::string_view name) {
    std::erase_if(settings_, [name](const OptionSetting& set) { return set.name == name; });
  }

 private:
  std::vector<OptionSetting> settings_;
  std::vector<char> text_;
};

// The last value of the option `name` in `list` (commas still doubled), or nothing. For questions
// before the format of the image is known.
[[nodiscard]] constexpr std::optional<std::string_view> OptionValue(std::string_view list,
                                                                    std::string_view name) {
  std::optional<std::string_view> value;
  OptionList items(list);
  while (const auto item = items.Next()) {
    if (item->name == name && item->has_value) value = item->value;
  }
  return value;
}

// Whether `list` asks for the list of options ("help" or "?") instead of setting any.
[[nodiscard]] constexpr bool AsksForHelp(std::string_view list) {
  OptionList items(list);
  while (const auto item = items.Next()) {
    if (!item->has_value && (item->name == "help" || item->name == "?")) return true;
  }
  return false;
}

}  // namespace instar

#endif  // FORMATS_BASE_CREATE_OPTIONS_H_
