#include "cli/options.h"

#include <boost/program_options/errors.hpp>
#include <boost/program_options/option.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <optional>

namespace instar::cli {
namespace {

namespace po = boost::program_options;

// A style parser for Boost: cuts the next argument, and the one after it where that is its value,
// into options.
class GetoptStyle {
 public:
  GetoptStyle(const po::options_description& known, Operands operands, Arguments& result)
      : known_(known), operands_(operands), result_(result) {}

  std::vector<po::option> operator()(std::vector<std::string>& rest) {
    const std::string token = rest.front();
    rest.erase(rest.begin());
    if (!options_ended_ && token == "--") {
      options_ended_ = true;
      if (operands_ == Operands::kEndOptions) End(rest);
      return {};
    }
    if (options_ended_ || token.size() < 2 || token[0] != '-') {
      if (operands_ == Operands::kEndOptions) {
        End(rest);
        ++unread_;
      } else {
        result_.operands.push_back(token);
      }
      return {};
    }
    return token[1] == '-' ? LongOption(token, rest) : ShortOptions(token, rest);
  }

  // Arguments left unread at the end.
  [[nodiscard]] std::size_t unread() const { return unread_; }

 private:
  // Leaves the rest unread.
  void End(std::vector<std::string>& rest) {
    unread_ += rest.size();
    rest.clear();
  }

  std::vector<po::option> Fault(std::string text, std::vector<std::string>& rest) {
    result_.fault = std::move(text);
    End(rest);
    return {};
  }

  std::vector<po::option> LongOption(const std::string& token, std::vector<std::string>& rest) {
    const std::size_t equals = token.find('=');
    const std::string name = token.substr(2, equals == std::string::npos ? equals : equals - 2);
    const po::option_description* found = nullptr;
    try {
      found = name.empty() ? nullptr : known_.find_nothrow(name, /*approx=*/true);
    } catch (const po::ambiguous_option&) {
      found = nullptr;
    }
    if (found == nullptr) return Fault("unrecognized option '" + token + "'", rest);
    po::option option;
    option.string_key = found->key("");
    option.original_tokens = {"--" + name};
    if (found->semantic()->max_tokens() == 0) {
      if (equals != std::string::npos) return Fault("unrecognized option '" + token + "'", rest);
    } else if (equals != std::string::npos) {
      option.value = {token.substr(equals + 1)};
    } else if (!TakeValue(option, rest)) {
      return Fault("missing argument for option '" + token + "'", rest);
    }
    return {option};
  }

  std::vector<po::option> ShortOptions(const std::string& token, std::vector<std::string>& rest) {
    std::vector<po::option> options;
    for (std::size_t i = 1; i < token.size(); ++i) {
      const std::string letter = std::string("-") + token[i];
      const po::option_description* found = known_.find_nothrow(letter, /*approx=*/false);
      if (found == nullptr) {
        Fault("unrecognized option '" + letter + "'", rest);
        return options;
      }
      po::option& option = options.emplace_back();
      option.string_key = found->key("");
      option.original_tokens = {letter};
      if (found->semantic()->max_tokens() == 0) continue;
      if (i + 1 < token.size()) {
        option.value = {token.substr(i + 1)};
      } else if (!TakeValue(option, rest)) {
        options.pop_back();
        Fault("missing argument for option '" + letter + "'", rest);
      }
      break;
    }
    return options;
  }

  static bool TakeValue(po::option& option, std::vector<std::string>& rest) {
    if (rest.empty()) return false;
    option.value = {rest.front()};
    rest.erase(rest.begin());
    return true;
  }

  const po::options_description& known_;
  Operands operands_;
  Arguments& result_;
  bool options_ended_ = false;
  std::size_t unread_ = 0;
};

// The first name of a row as Boost keys it.
std::string KeyOf(const OptionRow& row) {
  const std::string_view names = row.names;
  if (names.starts_with(',')) return "-" + std::string(names.substr(1));
  return std::string(names.substr(0, names.find(',')));
}

}  // namespace

Arguments ReadArguments(std::span<const std::span<const OptionRow>> tables,
                        std::span<const std::string> arguments, Operands operands) {
  po::options_description known;
  for (const auto table : tables) {
    for (const OptionRow& row : table) {
      if (row.value == nullptr) {
        known.add_options()(row.names, new po::untyped_value(/*zero_tokens=*/true), row.help);
      } else {
        known.add_options()(row.names, po::value<std::string>(), row.help);
      }
    }
  }

  Arguments result;
  GetoptStyle style(known, operands, result);
  const po::parsed_options parsed =
      po::command_line_parser(std::vector<std::string>(arguments.begin(), arguments.end()))
          .options(known)
          .extra_style_parser([&style](std::vector<std::string>& rest) { return style(rest); })
          .run();
  result.first_operand = arguments.size() - style.unread();

  for (const po::option& option : parsed.options) {
    for (const auto table : tables) {
      for (const OptionRow& row : table) {
        if (KeyOf(row) != option.string_key) continue;
        result.options.push_back({.id = row.id,
                                  .spelling = option.original_tokens.front(),
                                  .value = option.value.empty() ? "" : option.value.front()});
      }
    }
  }
  return result;
}

std::string DescribeOptions(std::span<const OptionRow> table) {
  constexpr std::size_t kColumn = 6;
  std::string text;
  for (const OptionRow& row : table) {
    if (*row.help == '\0') continue;
    std::string_view names = row.names;
    std::string line = "  ";
    // The letter comes last in the table and first in the help.
    const std::size_t last = names.rfind(',');
    const std::string_view final_name = last == names.npos ? names : names.substr(last + 1);
    if (last != names.npos && final_name.size() == 1) {
      line += '-';
      line += final_name;
      names = names.substr(0, last);
      if (!names.empty()) line += ", ";
    }
    while (!names.empty()) {
      const std::size_t comma = names.find(',');
      line += "--";
      line += names.substr(0, comma);
      names = comma == names.npos ? std::string_view() : names.substr(comma + 1);
      if (!names.empty()) line += ", ";
    }
    if (row.value != nullptr) {
      line += ' ';
      line += row.value;
    }
    text += line + '\n';
    std::string_view help = row.help;
    while (!help.empty()) {
      const std::size_t end = help.find('\n');
      text += std::string(kColumn, ' ');
      text += help.substr(0, end);
      text += '\n';
      help = end == help.npos ? std::string_view() : help.substr(end + 1);
    }
  }
  return text;
}

}  // namespace instar::cli
