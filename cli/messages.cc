#include "cli/messages.h"

#include <cstddef>
#include <iterator>

namespace instar::cli {
namespace {

struct Row {
  Message message;
  QemuVersion since;
  const char* text;
};

constexpr QemuVersion kAll{};
constexpr QemuVersion kGetopt{10, 1};  // lets getopt_long word its own errors
constexpr QemuVersion kRemoveAll{11, 1};

// The rows of a message stand together, the oldest first.
constexpr Row kRows[] = {
    {Message::kUnknownOption, kAll, "unrecognized option '$0'"},
    {Message::kUnknownLetter, kAll, "unrecognized option '$0'"},
    {Message::kUnknownLetter, kGetopt, "invalid option -- '$1'"},
    {Message::kAmbiguousOption, kAll, "unrecognized option '$0'"},
    {Message::kAmbiguousOption, kGetopt, "option '$0' is ambiguous; possibilities:$2"},
    {Message::kMissingValue, kAll, "missing argument for option '$0'"},
    {Message::kMissingValue, kGetopt, "option '--$1' requires an argument"},
    {Message::kMissingValueOfLetter, kAll, "missing argument for option '$0'"},
    {Message::kMissingValueOfLetter, kGetopt, "option requires an argument -- '$1'"},
    {Message::kUnwantedValue, kAll, "unrecognized option '$0'"},
    {Message::kUnwantedValue, kGetopt, "option '--$1' doesn't allow an argument"},
    {Message::kResizeTooFew, kAll, "Not enough arguments"},
    {Message::kResizeTooFew, kGetopt, "Expecting image file name and size"},
    {Message::kResizeTooMany, kAll, "Expecting image file name and size"},
    {Message::kResizeTooMany, kGetopt, "Extra argument(s) in command line"},
    {Message::kBitmapNoAction, kAll,
     "Need at least one of --add, --remove, --clear, --enable, --disable, or --merge"},
    {Message::kBitmapNoAction, kRemoveAll,
     "Need at least one of --add, --remove, --remove-all, --clear, --enable, --disable, or "
     "--merge"},
    {Message::kBitmapGranularity, kAll, "$1"},
    {Message::kBitmapGranularity, kGetopt, "Invalid granularity specified: '$0'"},
};

constexpr bool RowsAreInOrder() {
  for (std::size_t i = 1; i < std::size(kRows); ++i) {
    const Row& row = kRows[i];
    const Row& before = kRows[i - 1];
    const bool same = row.message == before.message;
    if (same ? row.since <= before.since : row.message < before.message || row.since != kAll) {
      return false;
    }
  }
  return true;
}
static_assert(RowsAreInOrder());

}  // namespace

std::string TextOf(Message message, QemuVersion version,
                   std::initializer_list<std::string_view> arguments) {
  const char* text = "";
  for (const Row& row : kRows) {
    if (row.message == message && row.since <= version) text = row.text;
  }
  std::string result;
  for (; *text != '\0'; ++text) {
    if (*text == '$') {
      result += arguments.begin()[*++text - '0'];
    } else {
      result += *text;
    }
  }
  return result;
}

}  // namespace instar::cli
