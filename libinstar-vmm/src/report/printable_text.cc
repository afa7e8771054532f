#include "report/printable_text.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace instar::vmm {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;  // 0: not valid UTF-8
};

// The UTF-8 character at the start of `text` (not empty). Overlong forms, surrogates and codes
// beyond U+10FFFF are not valid (RFC 3629).
Character Decode(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return {.code = lead, .bytes = 1};
  std::size_t bytes = 0;
  char32_t code = 0;
  if ((lead & 0xE0) == 0xC0) {
    bytes = 2;
    code = lead & 0x1Fu;
  } else if ((lead & 0xF0) == 0xE0) {
    bytes = 3;
    code = lead & 0x0Fu;
  } else if ((lead & 0xF8) == 0xF0) {
    bytes = 4;
    code = lead & 0x07u;
  } else {
    return {};
  }
  if (text.size() < bytes) return {};
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((at(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (at(i) & 0x3Fu);
  }
  constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[bytes] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {.code = code, .bytes = bytes};
}

bool Harmless(char32_t code) {
  if (code < 0x20 || code == '\\' || (code >= 0x7F && code <= 0x9F)) return false;
  if (code == 0x061C || code == 0xFEFF) return false;
  if ((code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E)) return false;
  if (code >= 0x2060 && code <= 0x206F) return false;
  return true;
}

}  // namespace

std::string PrintableText(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character character = Decode(text);
    const std::size_t bytes = character.bytes == 0 ? 1 : character.bytes;
    if (character.bytes != 0 && Harmless(character.code)) {
      out.append(text.substr(0, bytes));
    } else {
      for (const char c : text.substr(0, bytes)) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(c);
        out += "\\x";
        out += kDigits[byte >> 4];
        out += kDigits[byte & 0xF];
      }
    }
    text.remove_prefix(bytes);
  }
  return out;
}

}  // namespace instar::vmm
