// JSON as qemu-img lays it out: four spaces a level, one item a line, all but ASCII escaped.
#ifndef CLI_JSON_TEXT_H_
#define CLI_JSON_TEXT_H_

#include <string>

#include "instar/vmm/report.h"

namespace instar::cli {

// `value` as JSON text, without a newline at the end. Bytes of strings that are not UTF-8 become
// U+FFFD, so the text is valid JSON whatever the strings hold.
[[nodiscard]] std::string JsonText(const vmm::ReportValue& value);

}  // namespace instar::cli

#endif  // CLI_JSON_TEXT_H_
