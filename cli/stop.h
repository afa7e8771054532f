// Why a command ends before it does its work.
#ifndef CLI_STOP_H_
#define CLI_STOP_H_

#include <expected>
#include <string>
#include <utility>

namespace instar::cli {

struct Stop {
  enum class Kind {
    kAnswer,  // the user asked for a text (--help, -o help): print it, success
    kOption,  // a mistake in the form of an option: as kUsage; newer versions name the verb
    kUsage,   // a mistake in the arguments: an error line and the pointer to --help
    kError,   // an error line
  };
  Kind kind = Kind::kError;
  std::string text;
};

template <typename T>
using OrStop = std::expected<T, Stop>;

[[nodiscard]] inline std::unexpected<Stop> Answer(std::string text) {
  return std::unexpected(Stop{Stop::Kind::kAnswer, std::move(text)});
}
[[nodiscard]] inline std::unexpected<Stop> OptionError(std::string text) {
  return std::unexpected(Stop{Stop::Kind::kOption, std::move(text)});
}
[[nodiscard]] inline std::unexpected<Stop> UsageError(std::string text) {
  return std::unexpected(Stop{Stop::Kind::kUsage, std::move(text)});
}
[[nodiscard]] inline std::unexpected<Stop> Refusal(std::string text) {
  return std::unexpected(Stop{Stop::Kind::kError, std::move(text)});
}

// `value`, whose error is a line.
template <typename T>
[[nodiscard]] OrStop<T> OrRefuse(std::expected<T, std::string> value) {
  if (!value) return Refusal(std::move(value).error());
  return *std::move(value);
}

// Prints what `stop` says, where no verb is known. Returns the exit code.
int Conclude(const Stop& stop);

}  // namespace instar::cli

#endif  // CLI_STOP_H_
