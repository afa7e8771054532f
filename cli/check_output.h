// What `check` prints: qemu-img's text and JSON.
#ifndef CLI_CHECK_OUTPUT_H_
#define CLI_CHECK_OUTPUT_H_

#include <string>
#include <string_view>

#include "instar/vmm/check.h"

namespace instar::cli {

[[nodiscard]] std::string CheckText(const vmm::CheckReport& report);
[[nodiscard]] std::string CheckJson(const vmm::CheckReport& report, std::string_view filename);

// The findings, a line each; for standard error.
[[nodiscard]] std::string FindingLines(const vmm::CheckReport& report);

}  // namespace instar::cli

#endif  // CLI_CHECK_OUTPUT_H_
