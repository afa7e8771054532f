#include "cli/option_rows.h"

#include "cli/byte_size.h"

namespace instar::cli {

OrStop<std::uint64_t> ReadSize(const GivenOption& given, std::string_view what) {
  return OrRefuse(ParseByteSize(given.value, what));
}

OrStop<std::uint64_t> ReadNumber(const GivenOption& given, std::string_view what,
                                 std::uint64_t smallest, std::uint64_t largest) {
  return OrRefuse(ParseNumber(given.value, what, smallest, largest));
}

}  // namespace instar::cli
