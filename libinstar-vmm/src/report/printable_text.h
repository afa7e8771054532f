// Text of unknown origin made fit for a terminal and for one line of a log.
#ifndef LIBINSTAR_VMM_SRC_REPORT_PRINTABLE_TEXT_H_
#define LIBINSTAR_VMM_SRC_REPORT_PRINTABLE_TEXT_H_

#include <string>
#include <string_view>

namespace instar::vmm {

// `text` with everything escaped as \xNN (of each byte) that could steer a terminal or mislead a
// reader: control characters (C0, DEL, C1), the characters that reorder text or do not show
// (U+200B-200F, U+2028-202E, U+2060-206F, U+FEFF), the backslash itself, and bytes that are not
// valid UTF-8.
std::string PrintableText(std::string_view text);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_PRINTABLE_TEXT_H_
