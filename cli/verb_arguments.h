// What the command lines of all verbs have in common.
#ifndef CLI_VERB_ARGUMENTS_H_
#define CLI_VERB_ARGUMENTS_H_

#include <absl/functional/function_ref.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "cli/sandbox_options.h"
#include "cli/stop.h"

namespace instar::cli {

// Reads the arguments of a verb that takes `rows` besides the options of every verb, which go to
// `settings`. Hands each other option to `take`, in order. What is wrong first is what is told:
// the options up to the first mistake count. The operands.
OrStop<std::vector<std::string>> ReadVerbArguments(
    std::span<const OptionRow> rows, std::span<const std::string> arguments,
    SandboxSettings& settings, absl::FunctionRef<OrStop<void>(GivenOption&)> take);

// The same for a verb that takes one image and --output, whose value is in `form` once all options
// are read: the name of the image, and whether to print JSON.
struct OneImage {
  std::string name;
  bool json = false;
};
OrStop<OneImage> ReadOneImage(std::span<const OptionRow> rows,
                              std::span<const std::string> arguments, SandboxSettings& settings,
                              absl::FunctionRef<OrStop<void>(GivenOption&)> take,
                              const std::string& form);

// The text for --help: "usage: PROGRAM" and `text` (" VERB [OPTION...] FILE\n" and what it does),
// then the options.
[[nodiscard]] std::string VerbHelp(std::string_view text, std::span<const OptionRow> rows);

// Whether --output asks for JSON.
OrStop<bool> ReadOutputForm(std::string_view form);

// Appends the option list of one -o to those before it.
OrStop<void> AddOptionList(std::string_view list, std::string& lists);

// --object and the like.
[[nodiscard]] std::unexpected<Stop> NotAvailable(const GivenOption& option);

}  // namespace instar::cli

#endif  // CLI_VERB_ARGUMENTS_H_
