#include "cli/terminal_text.h"

namespace instar::cli {

std::string TerminalMessage(std::string_view text) {
  constexpr std::string_view kQuestion = "\nIs another process using the image [";
  const std::size_t question = text.rfind(kQuestion);
  if (question == std::string_view::npos) return TerminalText(text);
  return TerminalText(text.substr(0, question)) + '\n' + TerminalText(text.substr(question + 1));
}

}  // namespace instar::cli
