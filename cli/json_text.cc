#include "cli/json_text.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "report/utf8.h"

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
  if (code == vmm::kInvalidCharacter) code = 0xFFFD;
  if (code >= 0x20 && code < 0x7F) {
    out += static_cast<char>(code);
  } else if (code <= 0xFFFF) {
    AppendUnit(code, out);
  } else {
    AppendUnit(0xD800 + ((code - 0x10000) >> 10), out);
    AppendUnit(0xDC00 + ((code - 0x10000) & 0x3FF), out);
  }
}

// Characters are escaped in batches of this size.
constexpr std::size_t kBatchBytes = 4096;

}  // namespace

void JsonWriter::Next(std::string_view key) {
  if (depth_ != 0) {
    if (!first_) out_.Add(',');
    NewLine();
  }
  first_ = false;
  if (key.empty()) return;
  Quoted(key);
  out_.Add(": ");
}

void JsonWriter::Begin(std::string_view key, char bracket) {
  Next(key);
  out_.Add(bracket);
  ++depth_;
  first_ = true;
}

void JsonWriter::End(char bracket) {
  --depth_;
  NewLine();
  out_.Add(bracket);
  first_ = false;
}

void JsonWriter::NewLine() {
  out_.Add('\n');
  out_.AddSpaces(4 * depth_);
}

void JsonWriter::Unsigned(std::string_view key, std::uint64_t value) {
  Next(key);
  out_.AddNumber(value);
}

void JsonWriter::Signed(std::string_view key, std::int64_t value) {
  Next(key);
  out_.AddNumber(value);
}

void JsonWriter::Boolean(std::string_view key, bool value) {
  Next(key);
  out_.Add(value ? "true" : "false");
}

void JsonWriter::String(std::string_view key, std::string_view value) {
  Next(key);
  Quoted(value);
}

void JsonWriter::Value(std::string_view key, const vmm::ReportTree& value) {
  using Kind = vmm::ReportTree::Kind;
  if (out_.failed()) return;
  switch (value.kind()) {
    case Kind::kUnsigned:
      return Unsigned(key, *value.AsUnsigned());
    case Kind::kSigned:
      return Signed(key, *value.AsSigned());
    case Kind::kBoolean:
      return Boolean(key, *value.AsBoolean());
    case Kind::kString:
      return String(key, *value.AsString());
    case Kind::kArray:
      BeginArray(key);
      for (const auto& item : value.members()) Value({}, item.value);
      return EndArray();
    case Kind::kObject:
      BeginObject(key);
      for (const auto& member : value.members()) Value(member.key, member.value);
      return EndObject();
  }
}

void JsonWriter::Quoted(std::string_view text) {
  std::string escaped = "\"";
  while (!text.empty()) {
    const vmm::Character character = vmm::NextCharacter(text);
    AppendCharacter(character.code, escaped);
    text.remove_prefix(character.length);
    if (escaped.size() < kBatchBytes) continue;
    out_.Add(escaped);
    escaped.clear();
  }
  out_.Add(escaped);
  out_.Add('"');
}

std::string JsonString(std::string_view text) {
  std::string quoted;
  TextOutput out(TextOutput::kNoLimit, [&quoted](std::string_view piece) {
    quoted += piece;
    return 0;
  });
  JsonWriter(out).String({}, text);
  out.Finish();
  return quoted;
}

}  // namespace instar::cli
