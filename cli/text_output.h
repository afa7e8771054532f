// Text on its way to standard output, in pieces: what a verb prints may be far longer than what it
// is made of, so it is never held as a whole.
#ifndef CLI_TEXT_OUTPUT_H_
#define CLI_TEXT_OUTPUT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace instar::cli {

class TextOutput {
 public:
  // Prints one piece; returns the exit code, as PrintOutput.
  using Printer = std::function<int(std::string_view piece)>;
  static constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};
  // A piece is printed when it has so many bytes.
  static constexpr std::size_t kPieceBytes = 64 * 1024;

  // Prints no more than `max_bytes`, together.
  TextOutput(std::uint64_t max_bytes, Printer print)
      : left_bytes_(max_bytes), max_bytes_(max_bytes), print_(std::move(print)) {}

  void Add(std::string_view text);
  void Add(char c) { Add(std::string_view(&c, 1)); }
  void AddNumber(std::uint64_t number);
  void AddNumber(std::int64_t number);
  void AddSpaces(std::size_t count);

  // Whether printing failed or the limit was passed, of which an error line tells. What is added
  // then is left out.
  [[nodiscard]] bool failed() const { return code_ != 0; }

  // Prints what is left. The exit code of all printing: 0, or 1 if it failed.
  int Finish();

 private:
  void Print();

  std::uint64_t left_bytes_;
  std::uint64_t max_bytes_;
  Printer print_;
  std::string piece_;
  int code_ = 0;
};

}  // namespace instar::cli

#endif  // CLI_TEXT_OUTPUT_H_
