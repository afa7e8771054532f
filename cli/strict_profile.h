// The strict profile (docs/strict.md) on the command line: as the answer of `info --strict`, and as
// a condition of every verb.
#ifndef CLI_STRICT_PROFILE_H_
#define CLI_STRICT_PROFILE_H_

#include <optional>
#include <span>
#include <string>

#include "cli/sandbox_options.h"
#include "cli/text_output.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/strict.h"

namespace instar::cli {

enum class Judgement { kPassed, kRefused, kNotJudged };

// Where `settings` are strict: judges each image that a verb is about to read, and closes the
// reference gate for the run that follows. Says on standard error what does not pass. Before the
// verb puts up the jail, and before it copies the sandbox's options.
[[nodiscard]] Judgement JudgeSources(SandboxSettings& settings,
                                     std::span<const vmm::ImageSpec> images, bool force_share);

// The backing file that a new image at `target` gets, from its options (-b or -B, -F, and the
// option lists of -o); nothing if it gets none.
[[nodiscard]] std::optional<vmm::ImageSpec> BackingOf(const std::string& target,
                                                      const std::string& backing_file,
                                                      const std::string& backing_format,
                                                      const std::string& option_list);

// The verdict on one image, for people: a line for each reason, and the verdict.
[[nodiscard]] std::string VerdictText(const vmm::StrictVerdict& verdict);
// For programs: {"verdict", "format", "reasons": [{"code", "message", "offset"}]}.
void WriteVerdictJson(const vmm::StrictVerdict& verdict, TextOutput& out);

}  // namespace instar::cli

#endif  // CLI_STRICT_PROFILE_H_
