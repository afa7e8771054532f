// What is printed, for tests.
#ifndef TESTS_UNIT_CLI_PRINTED_H_
#define TESTS_UNIT_CLI_PRINTED_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/text_output.h"

namespace instar::cli {

// What `write(out)` prints.
template <typename Write>
std::string Printed(const Write& write) {
  std::string printed;
  TextOutput out(TextOutput::kNoLimit, [&printed](std::string_view piece) {
    printed += piece;
    return 0;
  });
  write(out);
  out.Finish();
  return printed;
}

}  // namespace instar::cli

#endif  // TESTS_UNIT_CLI_PRINTED_H_
