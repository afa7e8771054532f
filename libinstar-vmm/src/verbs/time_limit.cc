#include "verbs/time_limit.h"

#include <absl/strings/str_format.h>

#include "formats/base/create_options.h"
#include "report/printable_text.h"

namespace instar::vmm {

void FixDeadline(SandboxOptions& sandbox, std::chrono::milliseconds own) {
  if (sandbox.time_limit.count() == 0) sandbox.time_limit = own;
  if (sandbox.time_limit.count() == 0) return;
  if (sandbox.deadline != std::chrono::steady_clock::time_point()) return;
  sandbox.deadline = std::chrono::steady_clock::now() + sandbox.time_limit;
}

std::chrono::milliseconds OwnTimeLimit(const CreateOptions& options) {
  const auto preallocation = OptionValue(options.format_options, "preallocation");
  const bool reserves = preallocation && (*preallocation == "falloc" || *preallocation == "full");
  return reserves ? std::chrono::milliseconds(0) : kShortTimeLimit;
}

std::string LateText(std::string_view name, std::string_view verb,
                     std::chrono::milliseconds limit) {
  const std::string seconds =
      absl::StrFormat("%s: ended by the watchdog: not done after %g seconds (--timeout)", verb,
                      static_cast<double>(limit.count()) / 1000);
  return name.empty() ? seconds : absl::StrFormat("%s: %s", PrintableText(name), seconds);
}

}  // namespace instar::vmm
