#include "formats/base/reasons.h"

#include <algorithm>

namespace instar {
namespace {

// Readers have no error code for what reaches beyond the end of the file: their messages say it.
bool SaysBeyondTheEnd(std::string_view message) {
  return message.contains("beyond the end of the") || message.contains("cut short") ||
         message.contains("but the file only");
}

}  // namespace

void Reasons::AddText(ReasonCode code, std::uint64_t offset, const char* message,
                      std::string_view text) {
  const Error error = MakeTextError(ErrorCode::kCorrupt, message, text).error();
  reasons_.push_back(
      {.code = code, .offset = offset, .message = message, .numbers = error.numbers});
}

Status Reasons::AddError(const Error& error, std::uint64_t offset) {
  Reason reason{.offset = offset, .message = error.message, .numbers = error.numbers};
  switch (error.code) {
    case ErrorCode::kCorrupt:
      reason.code =
          SaysBeyondTheEnd(error.message) ? ReasonCode::kBeyondEnd : ReasonCode::kMalformed;
      break;
    case ErrorCode::kUnsupported:
      reason.code = ReasonCode::kUnknownFeature;
      break;
    case ErrorCode::kLimit:
      reason.code = ReasonCode::kOverLimit;
      break;
    case ErrorCode::kIo:
    case ErrorCode::kDenied:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNoSpace:
    case ErrorCode::kNotFound:
      return std::unexpected(error);
  }
  Keep(reason);
  return {};
}

void Reasons::Keep(const Reason& reason) {
  const bool known = std::ranges::any_of(reasons_, [&](const Reason& other) {
    return other.code == reason.code && std::string_view(other.message) == reason.message;
  });
  if (!known) reasons_.push_back(reason);
}

}  // namespace instar
