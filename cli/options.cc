#include "cli/options.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <optional>
#include <utility>

namespace instar::cli {
namespace {

namespace po = boost::program_options;

// The first name of a row: its long one, or the comma and the letter if it has no other.
std::string_view FirstName(const OptionRow& row) {
  const std::string_view names = row.names;
  return names.substr(0, names.find(',', 1));
}

// The long name of `row` that begins with `start`; empty: it has none.
std::string LongName(const OptionRow& row, std::string_view start) {
  for (const absl::string_view name : absl::StrSplit(row.names, ',', absl::SkipEmpty())) {
    if (name.size() > 1 && std::string_view(name.data(), name.size()).starts_with(start)) {
      return std::string(name);
    }
  }
  return "";
}

// Whether a row of `rows` has the first name of `row`.
bool HasNameOf(std::span<const OptionRow> rows, const OptionRow& row) {
  return std::ranges::find(rows, FirstName(row), FirstName) != rows.end();
}

// Cuts arguments into options.
class Reader {
 public:
  Reader(std::span<const OptionTable> tables, std::span<const std::string> arguments)
      : arguments_(arguments) {
    for (std::size_t i = 0; i < tables.size(); ++i) {
      for (const OptionRow& row : tables[i].rows) {
        const auto has_it = [&row](const OptionTable& table) { return HasNameOf(table.rows, row); };
        if (std::ranges::any_of(tables.first(i), has_it)) continue;
        names_.add_options()(row.names, new po::untyped_value());
        rows_.push_back({.row = &row, .target = tables[i].target, .spelling = {}, .value = {}});
      }
    }
  }

  Arguments Read(Operands operands) {
    for (bool options_ended = false; next_ < arguments_.size() && !result_.fault;) {
      const std::string& token = arguments_[next_];
      if (options_ended || token.size() < 2 || token[0] != '-') {
        if (operands == Operands::kEndOptions) break;
        result_.operands.push_back(token);
        ++next_;
        continue;
      }
      ++next_;
      if (token == "--") {
        options_ended = true;
        if (operands == Operands::kEndOptions) break;
      } else if (token[1] == '-') {
        ReadLong(token);
      } else {
        ReadShort(token);
      }
    }
    result_.first_operand = next_;
    return std::move(result_);
  }

 private:
  void ReadLong(const std::string& token) {
    const std::size_t equals = token.find('=');
    const std::string name = token.substr(2, equals == std::string::npos ? equals : equals - 2);
    const GivenOption* known = name.empty() ? nullptr : Find(name);
    const bool attached = equals != std::string::npos;
    if (known == nullptr) {
      RefuseLong(name, token);
      return;
    }
    if (attached && known->row->value == nullptr) {
      result_.fault = {Message::kUnwantedValue, token, LongName(*known->row, name), ""};
      return;
    }
    Add(*known, "--" + name, attached ? std::optional(token.substr(equals + 1)) : std::nullopt,
        token);
  }

  void ReadShort(const std::string& token) {
    for (std::size_t i = 1; i < token.size() && !result_.fault; ++i) {
      const std::string letter = std::string("-") + token[i];
      const GivenOption* known = Find(letter);
      if (known == nullptr) {
        result_.fault = {Message::kUnknownLetter, letter, letter.substr(1), ""};
        return;
      }
      const bool attached = known->row->value != nullptr && i + 1 < token.size();
      Add(*known, letter, attached ? std::optional(token.substr(i + 1)) : std::nullopt, letter);
      if (attached) return;
    }
  }

  // Adds an option, with the next argument as its value if it takes one that is not `attached`.
  void Add(const GivenOption& known, const std::string& spelling,
           std::optional<std::string> attached, const std::string& token) {
    if (known.row->value != nullptr && !attached) {
      if (next_ == arguments_.size()) {
        const bool is_long = spelling[1] == '-';
        result_.fault = {is_long ? Message::kMissingValue : Message::kMissingValueOfLetter, token,
                         is_long ? LongName(*known.row, spelling.substr(2)) : spelling.substr(1),
                         ""};
        return;
      }
      attached = arguments_[next_++];
    }
    GivenOption& option = result_.options.emplace_back(known);
    option.spelling = spelling;
    option.value = std::move(attached).value_or("");
  }

  // No option, or more than one, has the long name `name`, which may be shortened.
  void RefuseLong(std::string_view name, const std::string& token) {
    OptionFault fault{Message::kUnknownOption, token, std::string(name), ""};
    int count = 0;
    for (const GivenOption& option : rows_) {
      const std::string possible = LongName(*option.row, name);
      if (name.empty() || possible.empty()) continue;
      ++count;
      absl::StrAppend(&fault.possible_names, " '--", possible, "'");
    }
    if (count > 1) fault.message = Message::kAmbiguousOption;
    result_.fault = std::move(fault);
  }

  // The option that a name, perhaps shortened, or "-" and a letter means; null: none, or several.
  const GivenOption* Find(const std::string& name) {
    const po::option_description* found = nullptr;
    try {
      found = names_.find_nothrow(name, /*approx=*/name[0] != '-');
    } catch (const po::ambiguous_option&) {  // NOLINT(bugprone-empty-catch): as if not found
      return nullptr;
    }
    const auto at = std::ranges::find(names_.options(), found, &Description::get);
    return found == nullptr ? nullptr : &rows_[at - names_.options().begin()];
  }

  using Description = boost::shared_ptr<po::option_description>;

  std::span<const std::string> arguments_;
  std::size_t next_ = 0;
  po::options_description names_;
  std::vector<GivenOption> rows_;  // of the options in names_, in the same order
  Arguments result_;
};

}  // namespace

Arguments ReadArguments(std::span<const OptionTable> tables, std::span<const std::string> arguments,
                        Operands operands) {
  return Reader(tables, arguments).Read(operands);
}

std::string DescribeOptions(std::span<const OptionRow> rows, std::span<const OptionRow> others) {
  std::string text;
  for (const OptionRow& row : rows) {
    if (*row.help == '\0' || HasNameOf(others, row)) continue;
    std::string letter;
    std::string names;
    for (const absl::string_view name : absl::StrSplit(row.names, ',', absl::SkipEmpty())) {
      // The letter comes last in the table and first in the help.
      std::string& list = name.size() == 1 ? letter : names;
      absl::StrAppend(&list, list.empty() ? "" : ", ", name.size() == 1 ? "-" : "--", name);
    }
    absl::StrAppend(&text, "  ", letter, letter.empty() || names.empty() ? "" : ", ", names,
                    row.value == nullptr ? "" : " ", row.value == nullptr ? "" : row.value, "\n");
    for (const absl::string_view line : absl::StrSplit(row.help, '\n')) {
      absl::StrAppend(&text, "      ", line, "\n");
    }
  }
  return text;
}

}  // namespace instar::cli
