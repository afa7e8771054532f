// UTF-8, read one character at a time from text that may not be UTF-8 at all.
#ifndef LIBINSTAR_VMM_SRC_REPORT_UTF8_H_
#define LIBINSTAR_VMM_SRC_REPORT_UTF8_H_

#include <cstdint>
#include <string_view>

namespace instar::vmm {

inline constexpr std::uint32_t kInvalidCharacter = 0xFFFFFFFF;

struct Character {
  std::uint32_t code = kInvalidCharacter;  // a Unicode scalar value, or kInvalidCharacter
  unsigned length = 1;  // bytes it takes; for what is invalid, those to leave out together
};

// The character at the start of `text`, which is not empty. Overlong forms, surrogates and values
// above U+10FFFF are invalid. An invalid sequence extends over its lead byte and the continuation
// bytes that belong to it.
[[nodiscard]] Character NextCharacter(std::string_view text);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_UTF8_H_
