// Text of unknown origin, made safe to show on a terminal.
#ifndef CLI_TERMINAL_TEXT_H_
#define CLI_TERMINAL_TEXT_H_

#include <string>
#include <string_view>

#include "report/printable_text.h"

namespace instar::cli {

using vmm::TerminalText;

// As TerminalText, for messages of this program's libraries: the one line break that a message has,
// before the question "Is another process using the image", stays.
[[nodiscard]] std::string TerminalMessage(std::string_view text);

}  // namespace instar::cli

#endif  // CLI_TERMINAL_TEXT_H_
