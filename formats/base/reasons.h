// Why an image does not pass the strict profile. docs/strict.md says what each code means.
#ifndef FORMATS_BASE_REASONS_H_
#define FORMATS_BASE_REASONS_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "formats/base/error.h"

namespace instar {

// Values cross from the guest to the host, names go to the user: neither is ever reused.
enum class ReasonCode : std::uint32_t {
  kFormatMismatch = 1,     // the bytes are not of the format that the caller stated
  kUnsupportedFormat = 2,  // a format that is recognised but not judged
  kPolyglot = 3,           // another reader would take the file for another image, too
  kBackingFile = 4,
  kDataFile = 5,
  kExternalExtent = 6,
  kUnknownFeature = 7,
  kEncrypted = 8,
  kDirty = 9,
  kCorrupt = 10,  // the image says of itself that it is
  kBeyondEnd = 11,
  kVirtualSize = 12,
  kMalformed = 13,  // contradicts its own format
  kAmbiguous = 14,  // says a thing twice, and differently
  kOverLimit = 15,  // a bound of this program
};

struct ReasonName {
  ReasonCode code;
  std::string_view name;
};
inline constexpr std::array<ReasonName, 15> kReasonNames = {{
    {ReasonCode::kFormatMismatch, "format-mismatch"},
    {ReasonCode::kUnsupportedFormat, "unsupported-format"},
    {ReasonCode::kPolyglot, "polyglot"},
    {ReasonCode::kBackingFile, "backing-file"},
    {ReasonCode::kDataFile, "data-file"},
    {ReasonCode::kExternalExtent, "external-extent"},
    {ReasonCode::kUnknownFeature, "unknown-feature"},
    {ReasonCode::kEncrypted, "encrypted"},
    {ReasonCode::kDirty, "dirty"},
    {ReasonCode::kCorrupt, "corrupt"},
    {ReasonCode::kBeyondEnd, "beyond-end-of-file"},
    {ReasonCode::kVirtualSize, "virtual-size"},
    {ReasonCode::kMalformed, "malformed"},
    {ReasonCode::kAmbiguous, "ambiguous"},
    {ReasonCode::kOverLimit, "over-limit"},
}};

// The name of `code`; empty for numbers that are none.
[[nodiscard]] constexpr std::string_view NameOf(ReasonCode code) {
  for (const ReasonName& entry : kReasonNames) {
    if (entry.code == code) return entry.name;
  }
  return {};
}

struct Reason {
  ReasonCode code = ReasonCode::kMalformed;
  std::uint64_t offset = 0;  // where in the file the reason stands
  const char* message = "";  // static; has places for the numbers, as Error's has
  std::array<std::uint64_t, 3> numbers{};
};

// The reasons found, in order. Of a kind that a table gives a thousand times, the first place
// counts: a message is kept once.
class Reasons {
 public:
  template <typename... Numbers>
  void Add(ReasonCode code, std::uint64_t offset, const char* message, Numbers... numbers) {
    static_assert(sizeof...(Numbers) <= 3, "a reason carries at most three numbers");
    Keep({.code = code,
          .offset = offset,
          .message = message,
          .numbers = {static_cast<std::uint64_t>(numbers)...}});
  }

  // The same with a text of up to 24 bytes in the place of "{t}" (see MakeTextError); kept however
  // often the message comes.
  void AddText(ReasonCode code, std::uint64_t offset, const char* message, std::string_view text);

  // What a reader of the format refused, at `offset`. An error that does not lie in the image (the
  // file cannot be read) is returned.
  Status AddError(const Error& error, std::uint64_t offset);

  [[nodiscard]] std::span<const Reason> all() const { return reasons_; }

 private:
  void Keep(const Reason& reason);

  std::vector<Reason> reasons_;
};

}  // namespace instar

#endif  // FORMATS_BASE_REASONS_H_
