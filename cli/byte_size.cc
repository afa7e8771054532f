#include "cli/byte_size.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

#include "formats/base/option_list.h"

namespace instar::cli {
namespace {

constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Whether the syntax is one that ParseOptionSize reads; then a failure of it means an overflow.
bool IsSize(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) {
    return text.size() > 2 &&
           text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
  }
  std::size_t at = 0;
  while (at < text.size() && IsDigit(text[at])) ++at;
  if (at == 0) return false;
  const bool fraction = at < text.size() && text[at] == '.';
  if (fraction) {
    ++at;
    while (at < text.size() && IsDigit(text[at])) ++at;
  }
  const std::string_view suffix = text.substr(at);
  if (suffix.empty() || suffix == "b" || suffix == "B") {
    // A fraction of a byte makes no sense.
    return !fraction || text.substr(0, at).ends_with('.');
  }
  return suffix.size() == 1 &&
         std::string_view("kKmMgGtTpPeE").find(suffix[0]) != std::string_view::npos;
}

// "1.k" without its point, which ParseOptionSize does not take.
std::string WithoutBarePoint(std::string_view text) {
  std::string copy(text);
  const std::size_t point = copy.find('.');
  if (point != std::string::npos && (point + 1 == copy.size() || !IsDigit(copy[point + 1]))) {
    copy.erase(point, 1);
  }
  return copy;
}

std::expected<std::uint64_t, std::string> Between(std::optional<std::uint64_t> number,
                                                  std::string_view what, std::uint64_t smallest,
                                                  std::uint64_t largest) {
  if (number && *number >= smallest && *number <= largest) return *number;
  return std::unexpected("Invalid " + std::string(what) + ". Allowed " + std::string(what) +
                         " is between " + std::to_string(smallest) + " and " +
                         std::to_string(largest));
}

}  // namespace

std::expected<std::uint64_t, SizeFault> ParseSizeParameter(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  if (!IsSize(text)) return std::unexpected(SizeFault::kNoSize);
  const std::optional<std::uint64_t> bytes = ParseOptionSize(WithoutBarePoint(text));
  if (!bytes) return std::unexpected(SizeFault::kTooLarge);
  return *bytes;
}

std::expected<std::uint64_t, std::string> ParseByteSize(std::string_view text,
                                                        std::string_view what) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  const std::string invalid = "Invalid " + std::string(what) + " specified.";
  if (!IsSize(text)) {
    return std::unexpected(invalid +
                           " You may use k, M, G, T, P or E suffixes for kilobytes, megabytes, "
                           "gigabytes, terabytes, petabytes and exabytes.");
  }
  const std::optional<std::uint64_t> bytes = ParseOptionSize(WithoutBarePoint(text));
  if (!bytes || *bytes > kLargest) {
    return std::unexpected(invalid + " Must be between 0 and " + std::to_string(kLargest) + ".");
  }
  return *bytes;
}

std::expected<std::uint64_t, std::string> ParseNumber(std::string_view text, std::string_view what,
                                                      std::uint64_t smallest,
                                                      std::uint64_t largest) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  return Between(ParseOptionNumber(text), what, smallest, largest);
}

std::expected<std::uint64_t, std::string> ParseDecimal(std::string_view text, std::string_view what,
                                                       std::uint64_t smallest,
                                                       std::uint64_t largest) {
  return Between(ParseDigits(text, 10), what, smallest, largest);
}

std::string HumanByteSize(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  // The unit in which the number stays below 1000 if that can be had: 1000 KiB and more, before
  // rounding, is shown in MiB.
  int exponent = 0;
  std::frexp(static_cast<double>(bytes) / (1000.0 / 1024.0), &exponent);
  const int unit = exponent <= 0 ? 0 : (exponent - 1) / 10;
  const double value =
      static_cast<double>(bytes) / static_cast<double>(std::uint64_t{1} << (unit * 10));
  char text[32];
  std::snprintf(text, sizeof(text), "%0.3g %s", value, kUnits[unit]);
  return text;
}

}  // namespace instar::cli
