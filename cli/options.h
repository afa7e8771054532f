// Options of the command line: what a verb takes, declared in tables, and how a list of arguments
// is read against them.
//
// A row of a table says all there is to say of an option: how it is spelled, what its value is
// called, what it is for, and which function takes it over (cli/option_rows.h makes rows whose
// function sets a member of a struct). --help is written from the rows; the manual page, the
// completions and the tables of docs/verbs are made from --help (tests/generated_docs.py).
//
// Boost.Program_options keeps the names and matches them; how arguments are cut into options
// follows getopt_long, because scripts written for qemu-img rely on it: short options may be
// bundled ("-pq") and carry their value attached or as the next argument, whatever that looks like;
// long names may be shortened while they stay unambiguous; options and other arguments may be
// mixed; "--" ends the options.
#ifndef CLI_OPTIONS_H_
#define CLI_OPTIONS_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/messages.h"
#include "cli/qemu_version.h"
#include "cli/stop.h"

namespace instar::cli {

struct OptionRow;

// A value a user gave, in the order given.
struct GivenOption {
  const OptionRow* row = nullptr;
  void* target = nullptr;  // of the row's table
  std::string spelling;    // as typed, without an attached value: "-O", "--target-f"
  std::string value;

  // Has the row's function take it over. Not for a row that has none.
  OrStop<void> Take();
};

// One option a program or verb takes.
struct OptionRow {
  const char* names = "";       // long names, then letters: "target-format,O", "backing,b,B", ",T"
  const char* value = nullptr;  // in the help text: "FORMAT", "human|json"; null: it takes none
  const char* help = "";        // newlines separate lines; empty: not listed
  // Takes the option over into `target`, the struct that the rows of the table are bound to. Stops
  // where the value is wrong. Null: --help.
  OrStop<void> (*take)(GivenOption& given, void* target) = nullptr;
};

inline OrStop<void> GivenOption::Take() { return row->take(*this, target); }

struct OptionTable {
  std::span<const OptionRow> rows;
  void* target = nullptr;
};

// A mistake in the form of an option.
struct OptionFault {
  Message message = Message::kUnknownOption;
  std::string typed;           // "--output", "-Z"
  std::string name;            // the full name or the letter, without dashes
  std::string possible_names;  // of an ambiguous one: " '--format' '--force-share'"

  [[nodiscard]] std::string Text(QemuVersion version) const {
    return TextOf(message, version, {typed, name, possible_names});
  }
};

struct Arguments {
  std::vector<GivenOption> options;
  std::vector<std::string> operands;
  // The first mistake; options before it are in `options`, nothing after it is read. So
  // whoever handles the options in order and then the fault reports the first thing wrong.
  std::optional<OptionFault> fault;
  // With Operands::kEndOptions: index of the first argument left unread; their number if none is.
  std::size_t first_operand = 0;
};

enum class Operands {
  kMixed,      // options may follow operands
  kEndOptions  // the first operand ends the options and is not consumed, nor is what follows
};

// Reads `arguments` against all rows of `tables`. Where two tables have an option of the same first
// name (--strict of compare), the earlier table's is meant.
[[nodiscard]] Arguments ReadArguments(std::span<const OptionTable> tables,
                                      std::span<const std::string> arguments, Operands operands);

// The rows as lines of a help text, but for those whose first name a row of `others` has, too.
[[nodiscard]] std::string DescribeOptions(std::span<const OptionRow> rows,
                                          std::span<const OptionRow> others = {});

}  // namespace instar::cli

#endif  // CLI_OPTIONS_H_
