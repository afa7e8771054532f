#include "cli/image_options.h"

#include <array>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "formats/base/option_list.h"

namespace instar::cli {
namespace {

using Json = nlohmann::json;
using Kind = ImageOptionValue::Kind;

constexpr std::size_t kDeepest = 1024;  // objects within objects

// JSON as it is defined, of JSON that may have strings in single quotes.
std::string WithDoubleQuotes(std::string_view text) {
  std::string out;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == 0) {
      if (c == '"' || c == '\'') quote = c;
      out += c == '\'' ? '"' : c;
    } else if (c == quote) {
      quote = 0;
      out += '"';
    } else if (c == '\\' && i + 1 < text.size()) {
      const char escaped = text[++i];
      if (escaped != '\'') out += '\\';
      out += escaped;
    } else if (c == '"') {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

// Looks for names that an object has twice, which the parser itself lets pass.
class Watch {
 public:
  bool operator()(int /*depth*/, Json::parse_event_t event, const Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start:
        names_.emplace_back();
        too_deep = too_deep || names_.size() > kDeepest;
        break;
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end:
        names_.pop_back();
        break;
      case Json::parse_event_t::key:
        duplicate = !names_.back().insert(parsed.get<std::string>()).second || duplicate;
        break;
      case Json::parse_event_t::value:
        break;
    }
    return true;
  }

  bool duplicate = false;
  bool too_deep = false;

 private:
  std::vector<std::set<std::string>> names_;
};

std::string NumberText(const Json& value) {
  if (!value.is_number_float()) return value.dump();
  const double number = value.get<double>();
  // As many digits as it has, without an exponent: 1e3 is 1000.
  std::array<char, 400> digits{};
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), number, std::chars_format::fixed);
  return {digits.data(), end.ptr};
}

ImageOptionValue ValueOf(const Json& value) {
  if (value.is_string()) return {.kind = Kind::kText, .text = value.get<std::string>()};
  if (value.is_boolean()) return {.kind = Kind::kBoolean, .text = value.get<bool>() ? "on" : "off"};
  if (value.is_number()) return {.kind = Kind::kNumber, .text = NumberText(value)};
  return {.kind = value.is_null() ? Kind::kNull : Kind::kEmpty, .text = {}};
}

// Adds the members of `value`, an object or an array. Nested objects win over dotted names.
void Flatten(const Json& value, const std::string& prefix, ImageOptions& options) {
  const auto name = [&](const auto& item, std::size_t number) {
    return prefix + (value.is_object() ? item.key() : std::to_string(number));
  };
  for (const bool nested : {false, true}) {
    std::size_t number = 0;
    for (const auto& item : value.items()) {
      const bool is_nested = item.value().is_structured() && !item.value().empty();
      const std::string key = name(item, number++);
      if (is_nested != nested) continue;
      if (nested) {
        Flatten(item.value(), key + '.', options);
      } else {
        options.Set(key, ValueOf(item.value()));
      }
    }
  }
}

}  // namespace

ImageOptions ImageOptions::FromList(std::string_view list) {
  ImageOptions options;
  OptionList items(list);
  for (bool first = true; const auto item = items.Next(); first = false) {
    std::string name(item->name);
    std::string value;
    if (item->has_value) {
      AppendOptionText(item->value, value);
    } else if (first) {
      value = std::exchange(name, "file");
    } else {
      const bool off = name.starts_with("no");
      if (off) name.erase(0, 2);
      value = off ? "off" : "on";
    }
    options.Set(std::move(name), {.kind = Kind::kText, .text = std::move(value)});
  }
  return options;
}

std::expected<ImageOptions, std::string> ImageOptions::FromJson(std::string_view text) {
  const auto refuse = [](const std::string& why) {
    return std::unexpected("Could not parse the JSON options: " + why);
  };
  Watch watch;
  Json json;
  try {
    json = Json::parse(WithDoubleQuotes(text), std::ref(watch));
  } catch (const Json::parse_error& error) {
    return refuse("JSON parse error at character " + std::to_string(error.byte));
  }
  if (watch.duplicate) return refuse("JSON parse error, duplicate key");
  if (watch.too_deep) return refuse("JSON parse error, too deep");
  if (!json.is_object()) return std::unexpected("Invalid JSON object given");
  ImageOptions options;
  Flatten(json, "", options);
  return options;
}

std::optional<ImageOptionValue> ImageOptions::TakeEvenNull(std::string_view name) {
  const auto at = values_.find(name);
  if (at == values_.end()) return std::nullopt;
  ImageOptionValue value = std::move(at->second);
  values_.erase(at);
  return value;
}

std::optional<ImageOptionValue> ImageOptions::Take(std::string_view name) {
  auto value = TakeEvenNull(name);
  if (value && value->kind == Kind::kNull) return std::nullopt;
  return value;
}

ImageOptions ImageOptions::TakeBelow(std::string_view prefix) {
  ImageOptions below;
  const std::string dotted = std::string(prefix) + '.';
  for (auto at = values_.lower_bound(dotted);
       at != values_.end() && at->first.starts_with(dotted);) {
    below.Set(at->first.substr(dotted.size()), std::move(at->second));
    at = values_.erase(at);
  }
  return below;
}

}  // namespace instar::cli
