#include "report/printable_text.h"

#include <cstdint>

#include "report/utf8.h"

namespace instar::vmm {
namespace {

// Characters that show nothing themselves but change how others are shown, or look like nothing.
bool IsInvisible(std::uint32_t code) {
  return code == 0xAD || code == 0x61C || code == 0x180E ||  //
         (code >= 0x200B && code <= 0x200F) ||               // zero width, direction marks
         (code >= 0x2028 && code <= 0x202E) ||               // separators, embeddings, overrides
         (code >= 0x2060 && code <= 0x206F) ||               // invisible operators, isolates
         code == 0xFEFF || (code >= 0xFFF9 && code <= 0xFFFB) ||
         (code >= 0xE0000 && code <= 0xE007F);  // tags
}

bool IsHarmless(std::uint32_t code) {
  const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
  return code != kInvalidCharacter && !control && !IsInvisible(code);
}

void AppendEscaped(std::string_view bytes, std::string& out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const char byte : bytes) {
    out += "\\x";
    out += kDigits[static_cast<unsigned char>(byte) >> 4];
    out += kDigits[static_cast<unsigned char>(byte) & 0xF];
  }
}

std::string Escape(std::string_view text, bool backslashes) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character character = NextCharacter(text);
    const std::string_view bytes = text.substr(0, character.length);
    if (IsHarmless(character.code) && !(backslashes && character.code == '\\')) {
      out += bytes;
    } else {
      AppendEscaped(bytes, out);
    }
    text.remove_prefix(character.length);
  }
  return out;
}

}  // namespace

std::string PrintableText(std::string_view text) { return Escape(text, /*backslashes=*/true); }

std::string TerminalText(std::string_view text) { return Escape(text, /*backslashes=*/false); }

}  // namespace instar::vmm
