// Text of unknown origin, made safe to show on a terminal.
#ifndef CLI_TERMINAL_TEXT_H_
#define CLI_TERMINAL_TEXT_H_

#include <string>
#include <string_view>

namespace instar::cli {

// `text` with everything that could drive a terminal or disguise what is shown written as \xhh, for
// each of its bytes: control characters, controls of the direction of writing, line and paragraph
// separators, other invisible characters, and what is not UTF-8. All else stays as it is; so do
// backslashes, which qemu-img shows as they are.
[[nodiscard]] std::string TerminalText(std::string_view text);

// As TerminalText, for messages of this program's libraries: the one line break that a message has,
// before the question "Is another process using the image", stays.
[[nodiscard]] std::string TerminalMessage(std::string_view text);

}  // namespace instar::cli

#endif  // CLI_TERMINAL_TEXT_H_
