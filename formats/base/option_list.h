// The option lists of create and convert ("cluster_size=64k,compat=1.1"), as qemu-img's -o takes
// them. Header-only: the host reads the user's own list with it before any image is opened, and the
// writers read the same list with the same code.
#ifndef FORMATS_BASE_OPTION_LIST_H_
#define FORMATS_BASE_OPTION_LIST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "formats/base/checked.h"

namespace instar {

// One item of a list. In `value` each comma is still doubled: see AppendOptionText.
struct OptionItem {
  std::string_view name;
  std::string_view value;
  bool has_value = false;  // whether there was a '='
};

// Splits a list at its single commas. Views point into the list.
class OptionList {
 public:
  explicit constexpr OptionList(std::string_view text) : rest_(text) {}

  constexpr std::optional<OptionItem> Next() {
    if (rest_.empty()) return std::nullopt;
    const std::size_t name_end = rest_.find_first_of("=,");
    OptionItem item;
    item.name = rest_.substr(0, name_end);
    if (name_end == std::string_view::npos) {
      rest_ = {};
      return item;
    }
    item.has_value = rest_[name_end] == '=';
    rest_.remove_prefix(name_end + 1);
    if (item.has_value) {
      const std::size_t end = EndOfValue(rest_);
      item.value = rest_.substr(0, end);
      rest_.remove_prefix(end < rest_.size() ? end + 1 : end);
    }
    return item;
  }

  // Whether `text` can be read as a list: not empty, and no item of it empty.
  [[nodiscard]] static constexpr bool WellFormed(std::string_view text) {
    if (text.empty()) return false;
    while (true) {
      if (text.empty() || text.front() == ',') return false;
      const std::size_t end = EndOfValue(text);
      if (end == text.size()) return true;
      text.remove_prefix(end + 1);
    }
  }

 private:
  // Index of the first comma that is not doubled, or the length.
  [[nodiscard]] static constexpr std::size_t EndOfValue(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != ',') continue;
      if (i + 1 == text.size() || text[i + 1] != ',') return i;
      ++i;
    }
    return text.size();
  }

  std::string_view rest_;
};

// Appends `value` to `out` (anything with push_back(char)) with each doubled comma made one.
template <typename Text>
constexpr void AppendOptionText(std::string_view value, Text& out) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    out.push_back(value[i]);
    if (value[i] == ',' && i + 1 < value.size() && value[i + 1] == ',') ++i;
  }
}

// "on", "off" and the other words for them that qemu-img takes.
[[nodiscard]] constexpr std::optional<bool> ParseOptionBoolean(std::string_view text) {
  if (text == "on" || text == "yes" || text == "true" || text == "y") return true;
  if (text == "off" || text == "no" || text == "false" || text == "n") return false;
  return std::nullopt;
}

// A whole number in digits of `base`, at most 16, and nothing else.
[[nodiscard]] constexpr std::optional<std::uint64_t> ParseDigits(std::string_view text,
                                                                 std::uint64_t base) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    std::uint64_t digit = 16;
    if (c >= '0' && c <= '9') digit = static_cast<std::uint64_t>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<std::uint64_t>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<std::uint64_t>(c - 'A') + 10;
    if (digit >= base) return std::nullopt;
    const auto scaled = CheckedMul(value, base);
    const auto sum = scaled ? CheckedAdd(*scaled, digit) : std::nullopt;
    if (!sum) return std::nullopt;
    value = *sum;
  }
  return value;
}

// A whole number: decimal, octal after "0", hexadecimal after "0x".
[[nodiscard]] constexpr std::optional<std::uint64_t> ParseOptionNumber(std::string_view text) {
  std::uint64_t base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
    text.remove_prefix(1);
  }
  return ParseDigits(text, base);
}

// A number of bytes: decimal, with an optional fraction and one of the suffixes b k M G T P E
// (either case; powers of 1024; no suffix is bytes), or hexadecimal without either. Fractions of a
// byte are dropped.
[[nodiscard]] constexpr std::optional<std::uint64_t> ParseOptionSize(std::string_view text) {
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    return ParseOptionNumber(text);
  }
  std::size_t at = 0;
  std::uint64_t whole = 0;
  const auto is_digit = [&] { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
  if (!is_digit()) return std::nullopt;
  for (; is_digit(); ++at) {
    const auto scaled = CheckedMul(whole, 10);
    const auto sum =
        scaled ? CheckedAdd(*scaled, static_cast<std::uint64_t>(text[at] - '0')) : std::nullopt;
    if (!sum) return std::nullopt;
    whole = *sum;
  }
  // The fraction as numerator / denominator, of which nine digits count.
  std::uint64_t numerator = 0;
  std::uint64_t denominator = 1;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!is_digit()) return std::nullopt;
    for (; is_digit(); ++at) {
      if (denominator == 1'000'000'000) continue;
      numerator = numerator * 10 + static_cast<std::uint64_t>(text[at] - '0');
      denominator *= 10;
    }
  }
  unsigned shift = 0;
  if (at < text.size()) {
    constexpr std::string_view kSuffixes = "bkmgtpe";
    char suffix = text[at];
    if (suffix >= 'A' && suffix <= 'Z') suffix = static_cast<char>(suffix - 'A' + 'a');
    const std::size_t power = kSuffixes.find(suffix);
    if (power == std::string_view::npos || at + 1 != text.size()) return std::nullopt;
    shift = static_cast<unsigned>(power) * 10;
  }
  const std::uint64_t unit = std::uint64_t{1} << shift;
  const auto bytes = CheckedMul(whole, unit);
  if (!bytes) return std::nullopt;
  const std::uint64_t fraction =
      unit / denominator * numerator + unit % denominator * numerator / denominator;
  return CheckedAdd(*bytes, fraction);
}

}  // namespace instar

#endif  // FORMATS_BASE_OPTION_LIST_H_
