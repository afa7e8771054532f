#include "report/utf8.h"

#include <cstddef>

namespace instar::vmm {
namespace {

// Bytes a sequence with this lead byte has, or 0 if no sequence starts so.
unsigned SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;  // a continuation byte, or the lead of an overlong form
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  if (lead < 0xF5) return 4;
  return 0;
}

}  // namespace

Character NextCharacter(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const unsigned length = SequenceLength(lead);
  if (length == 0) return {};
  if (length == 1) return {.code = lead, .length = 1};
  std::uint32_t code = lead & (0x7Fu >> length);
  for (unsigned i = 1; i < length; ++i) {
    const auto byte = i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
    if ((byte & 0xC0) != 0x80) return {.code = kInvalidCharacter, .length = i};
    code = code << 6 | (byte & 0x3Fu);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kSmallest[length] || surrogate || code > 0x10FFFF) code = kInvalidCharacter;
  return {.code = code, .length = length};
}

}  // namespace instar::vmm
