// Text of unknown origin made fit for a terminal and for one line of a log.
#ifndef LIBINSTAR_VMM_SRC_REPORT_PRINTABLE_TEXT_H_
#define LIBINSTAR_VMM_SRC_REPORT_PRINTABLE_TEXT_H_

#include <string>
#include <string_view>

namespace instar::vmm {

// `text` with everything that could drive a terminal or disguise what is shown written as \xhh, for
// each of its bytes: control characters, controls of the direction of writing, line and paragraph
// separators, other invisible characters, the backslash itself, and what is not UTF-8.
[[nodiscard]] std::string PrintableText(std::string_view text);

// As PrintableText, but backslashes stay, which qemu-img shows as they are.
[[nodiscard]] std::string TerminalText(std::string_view text);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_PRINTABLE_TEXT_H_
