// The options of a fresh image, as writers get them. The host reads the user's list (-o) once
// (formats/base/create_options.h); requests carry what it read (instar/requests.h). Header-only.
#ifndef FORMATS_BASE_OPTION_SETTINGS_H_
#define FORMATS_BASE_OPTION_SETTINGS_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "formats/base/block_device.h"

namespace instar {

// One option that is set. Its value is of the option's kind, and one of its choices where it has
// some; ranges, and how options agree with one another, are for the writer to check.
struct OptionSetting {
  std::string_view name;     // as the properties of the format spell it
  std::string_view text;     // the value as the user wrote it, a comma being a comma
  std::uint64_t number = 0;  // the value of a size or a number; 1 for on

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, name);
    visit(2, text);
    visit(3, number);
  }
};

// In the order of the list. Where an option is set twice the last setting counts.
using OptionSettings = std::span<const OptionSetting>;

// The setting of `name` that counts, or null.
[[nodiscard]] constexpr const OptionSetting* FindSetting(OptionSettings settings,
                                                         std::string_view name) {
  const OptionSetting* found = nullptr;
  for (const OptionSetting& setting : settings) {
    if (setting.name == name) found = &setting;
  }
  return found;
}

// Its text; empty without one.
[[nodiscard]] constexpr std::string_view SettingText(OptionSettings settings,
                                                     std::string_view name) {
  const OptionSetting* const found = FindSetting(settings, name);
  return found == nullptr ? std::string_view() : found->text;
}

// Its number; `otherwise` without one.
[[nodiscard]] constexpr std::uint64_t SettingNumber(OptionSettings settings, std::string_view name,
                                                    std::uint64_t otherwise) {
  const OptionSetting* const found = FindSetting(settings, name);
  return found == nullptr ? otherwise : found->number;
}

// Whether the option `name` is set to on.
[[nodiscard]] constexpr bool IsOn(OptionSettings settings, std::string_view name) {
  return SettingNumber(settings, name, 0) != 0;
}

// What the option "preallocation" means for the file.
[[nodiscard]] constexpr Preallocation PreallocationOf(OptionSettings settings) {
  const std::string_view text = SettingText(settings, "preallocation");
  if (text == "full") return Preallocation::kFull;
  return text == "falloc" ? Preallocation::kFalloc : Preallocation::kOff;
}

}  // namespace instar

#endif  // FORMATS_BASE_OPTION_SETTINGS_H_
