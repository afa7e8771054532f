// What `check` prints: qemu-img's text and JSON.
#ifndef CLI_CHECK_OUTPUT_H_
#define CLI_CHECK_OUTPUT_H_

#include <string>
#include <string_view>

#include "cli/text_output.h"
#include "instar/vmm/check.h"

namespace instar::cli {

[[nodiscard]] std::string CheckText(const vmm::CheckResult& report, bool dry_run);
void WriteCheckJson(const vmm::CheckResult& report, std::string_view filename, TextOutput& out);

// The findings, a line each; for standard error. `dry_run`: nothing was repaired.
void WriteFindingLines(const vmm::CheckResult& report, bool dry_run, TextOutput& out);

}  // namespace instar::cli

#endif  // CLI_CHECK_OUTPUT_H_
