#include "cli/json_text.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cli/utf8.h"

namespace instar::cli {
namespace {

void AppendUnit(std::uint32_t unit, std::string& out) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[unit >> shift & 0xF];
}

void AppendCharacter(std::uint32_t code, std::string& out) {
  switch (code) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (code == kInvalidCharacter) code = 0xFFFD;
  if (code >= 0x20 && code < 0x7F) {
    out += static_cast<char>(code);
  } else if (code <= 0xFFFF) {
    AppendUnit(code, out);
  } else {
    AppendUnit(0xD800 + ((code - 0x10000) >> 10), out);
    AppendUnit(0xDC00 + ((code - 0x10000) & 0x3FF), out);
  }
}

class Printer {
 public:
  explicit Printer(std::string& out) : out_(out) {}

  void Value(const vmm::ReportValue& value) { std::visit(*this, value.storage()); }

  void operator()(std::uint64_t number) { out_ += std::to_string(number); }
  void operator()(std::int64_t number) { out_ += std::to_string(number); }
  void operator()(bool truth) { out_ += truth ? "true" : "false"; }
  void operator()(const std::string& text) { String(text); }

  void operator()(const vmm::ReportValue::Array& array) {
    out_ += '[';
    ++depth_;
    bool first = true;
    for (const vmm::ReportValue& item : array) {
      NextItem(first);
      Value(item);
    }
    Close(']');
  }

  void operator()(const vmm::ReportValue::Object& object) {
    out_ += '{';
    ++depth_;
    bool first = true;
    for (const auto& [key, item] : object) {
      NextItem(first);
      String(key);
      out_ += ": ";
      Value(item);
    }
    Close('}');
  }

 private:
  void String(std::string_view text) {
    out_ += '"';
    while (!text.empty()) {
      const Character character = NextCharacter(text);
      AppendCharacter(character.code, out_);
      text.remove_prefix(character.length);
    }
    out_ += '"';
  }
  void NextItem(bool& first) {
    if (!first) out_ += ',';
    first = false;
    NewLine();
  }
  void Close(char bracket) {
    --depth_;
    NewLine();
    out_ += bracket;
  }
  void NewLine() {
    out_ += '\n';
    out_.append(4 * depth_, ' ');
  }

  std::string& out_;
  std::size_t depth_ = 0;
};

}  // namespace

std::string JsonText(const vmm::ReportValue& value) {
  std::string out;
  Printer(out).Value(value);
  return out;
}

}  // namespace instar::cli
