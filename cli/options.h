// Options of the command line: what a verb takes, declared in tables, and how a list of arguments
// is read against them.
//
// Boost.Program_options keeps the names and matches them; how arguments are cut into options
// follows getopt_long, because scripts written for qemu-img rely on it: short options may be
// bundled ("-pq") and carry their value attached or as the next argument, whatever that looks like;
// long names may be shortened while they stay unambiguous; options and other arguments may be
// mixed; "--" ends the options.
#ifndef CLI_OPTIONS_H_
#define CLI_OPTIONS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace instar::cli {

// One option a program or verb takes.
struct OptionRow {
  int id = 0;                   // an enumerator of whoever declares the table
  const char* names = "";       // long names, then the letter: "target-format,O", ",B", "bitmaps"
  const char* value = nullptr;  // what to call its value in the help text; null: it takes none
  const char* help = "";        // newlines separate lines; empty: not listed
};

// A value a user gave, in the order given.
struct GivenOption {
  int id = 0;
  std::string spelling;  // as typed, without an attached value: "-O", "--target-f"
  std::string value;
};

struct Arguments {
  std::vector<GivenOption> options;
  std::vector<std::string> operands;
  // The first mistake, or empty; options before it are in `options`, nothing after it is read. So
  // whoever handles the options in order and then the fault reports the first thing wrong.
  std::string fault;
  // With Operands::kEndOptions: index of the first argument left unread; their number if none is.
  std::size_t first_operand = 0;
};

enum class Operands {
  kMixed,      // options may follow operands
  kEndOptions  // the first operand ends the options and is not consumed, nor is what follows
};

// Reads `arguments` against all rows of `tables`.
[[nodiscard]] Arguments ReadArguments(std::span<const std::span<const OptionRow>> tables,
                                      std::span<const std::string> arguments, Operands operands);

// The rows as lines of a help text.
[[nodiscard]] std::string DescribeOptions(std::span<const OptionRow> table);

}  // namespace instar::cli

#endif  // CLI_OPTIONS_H_
