// What `create` says it makes.
#ifndef CLI_FORMATTING_LINE_H_
#define CLI_FORMATTING_LINE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/base/ids.h"

namespace instar::cli {

struct NewImage {
  std::string_view path;
  FormatId format = FormatId::kRaw;
  std::string_view options;  // -o, checked
  std::uint64_t virtual_size_bytes = 0;
  std::string_view backing_file;  // empty: none
  std::string_view backing_format;
};

// "Formatting 'x', fmt=raw size=1048576\n", as qemu-img has it: the options that were given and
// those that have a default, in an order of their own. Made safe for a terminal.
[[nodiscard]] std::string FormattingLine(const NewImage& image);

}  // namespace instar::cli

#endif  // CLI_FORMATTING_LINE_H_
