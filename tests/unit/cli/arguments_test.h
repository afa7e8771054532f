// What tests of the verbs' arguments share.
#ifndef TESTS_UNIT_CLI_ARGUMENTS_TEST_H_
#define TESTS_UNIT_CLI_ARGUMENTS_TEST_H_

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "cli/verb.h"

namespace instar::cli {

// The words of a command line; "''" is an empty one.
inline std::vector<std::string> Words(const std::string& line) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < line.size()) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    if (end > at)
      words.push_back(line.substr(at, end - at) == "''" ? "" : line.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

// What `verb` makes of these words.
template <typename Command>
OrStop<Command> ReadLine(std::string_view verb, const std::string& line) {
  Command command{.settings = {}};
  INSTAR_TRY(ReadCommand(*FindVerb(verb), Words(line), command));
  return command;
}

}  // namespace instar::cli

#endif  // TESTS_UNIT_CLI_ARGUMENTS_TEST_H_
