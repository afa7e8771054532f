#include "cli/text_output.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "cli/program.h"

namespace instar::cli {
namespace {

template <typename Number>
void AddDigits(TextOutput& out, Number number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.Add(std::string_view(digits.data(), end.ptr));
}

}  // namespace

void TextOutput::Add(std::string_view text) {
  while (!text.empty() && !failed()) {
    const std::uint64_t room = std::min<std::uint64_t>(kPieceBytes - piece_.size(), left_bytes_);
    const std::string_view fits = text.substr(0, room);
    piece_ += fits;
    left_bytes_ -= fits.size();
    text.remove_prefix(fits.size());
    if (!text.empty() && left_bytes_ == 0) {
      Print();
      if (failed()) return;
      code_ = PrintError("the output is longer than the limit of " + std::to_string(max_bytes_) +
                         " bytes (--max-output-size) and ends here");
      return;
    }
    if (piece_.size() == kPieceBytes) Print();
  }
}

void TextOutput::AddNumber(std::uint64_t number) { AddDigits(*this, number); }
void TextOutput::AddNumber(std::int64_t number) { AddDigits(*this, number); }

void TextOutput::AddSpaces(std::size_t count) {
  constexpr std::string_view kSpaces = "                                ";
  for (; count > kSpaces.size(); count -= kSpaces.size()) Add(kSpaces);
  Add(kSpaces.substr(0, count));
}

int TextOutput::Finish() {
  Print();
  return code_;
}

void TextOutput::Print() {
  if (code_ == 0 && !piece_.empty()) code_ = print_(piece_);
  piece_.clear();
}

}  // namespace instar::cli
