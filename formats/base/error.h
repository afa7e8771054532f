// Errors of pure code.
//
// Pure code never throws and never formats text: an Error is a code, a static message and up to
// three numbers. The host renders it into one line that names the file
// (libinstar-vmm/src/operation/error_text.h).
#ifndef FORMATS_BASE_ERROR_H_
#define FORMATS_BASE_ERROR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

#include "formats/base/ids.h"

namespace instar {

// What kind of failure it is. The values are part of the call-table ABI: append only.
enum class ErrorCode : std::uint32_t {
  kCorrupt = 1,          // the image contradicts its own format
  kUnsupported = 2,      // valid, but not something this version can do
  kIo = 3,               // the host could not read or write; os_errno says why
  kLimit = 4,            // a bound of this program, not of the format, is exceeded
  kDenied = 5,           // policy forbids it (reference gate, read-only device)
  kInvalidArgument = 6,  // the request itself makes no sense
  kNoSpace = 7,          // the target cannot grow
  kNotFound = 8,         // a snapshot, bitmap or referenced file does not exist
};

// One failure. `message` has static storage. In it "{0}", "{1}" and "{2}" stand for numbers[i] in
// decimal, "{0x}" and so on for the same in hexadecimal with 0x in front, and "{t}" for the text
// that the numbers hold instead (MakeTextError).
struct Error {
  ErrorCode code = ErrorCode::kCorrupt;
  const char* message = "";
  std::array<std::uint64_t, 3> numbers{};
  DeviceId device = kNoDevice;  // the device the message is about, if any
  std::int32_t os_errno = 0;    // the host's errno where the host reported one, else 0

  // The same error, said of `id`, unless it already names a device.
  [[nodiscard]] constexpr Error On(DeviceId id) const {
    Error copy = *this;
    if (copy.device == kNoDevice) copy.device = id;
    return copy;
  }
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

namespace internal {

// Out of line and out of the way: errors are made at many places and seldom. Not constexpr, lest
// each place with constant arguments keep an error of its own among the data.
[[gnu::noinline, gnu::cold]] inline std::unexpected<Error> ErrorOf(ErrorCode code,
                                                                   const char* message,
                                                                   std::uint64_t first,
                                                                   std::uint64_t second,
                                                                   std::uint64_t third) {
  return std::unexpected(
      Error{.code = code, .message = message, .numbers = {first, second, third}});
}

}  // namespace internal

// For a failure that makes no difference; the call says why.
constexpr void IgnoreFailure(const Status& /*status*/) {}

// MakeError(kCorrupt, "L2 table at offset {0x} lies beyond the end of the file ({1x})", offset,
// size)
template <typename... Numbers>
[[nodiscard]] constexpr std::unexpected<Error> MakeError(ErrorCode code, const char* message,
                                                         Numbers... numbers) {
  static_assert(sizeof...(Numbers) <= 3, "an error carries at most three numbers");
  const std::array<std::uint64_t, 3> all{static_cast<std::uint64_t>(numbers)...};
  if consteval {
    return std::unexpected(Error{.code = code, .message = message, .numbers = all});
  }
  return internal::ErrorOf(code, message, all[0], all[1], all[2]);
}

// An error that quotes the image: up to 24 bytes of `text`, up to its first NUL, stand in the
// numbers (lowest byte of the first one first). Untrusted: whoever renders it escapes it.
[[nodiscard]] constexpr std::unexpected<Error> MakeTextError(ErrorCode code, const char* message,
                                                             std::string_view text) {
  Error error{.code = code, .message = message};
  for (std::size_t i = 0; i < text.size() && i < 24 && text[i] != 0; ++i) {
    error.numbers[i / 8] |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * (i % 8));
  }
  return std::unexpected(error);
}

template <typename... Numbers>
[[nodiscard]] constexpr std::unexpected<Error> Corrupt(const char* message, Numbers... numbers) {
  return MakeError(ErrorCode::kCorrupt, message, numbers...);
}
template <typename... Numbers>
[[nodiscard]] constexpr std::unexpected<Error> Unsupported(const char* message,
                                                           Numbers... numbers) {
  return MakeError(ErrorCode::kUnsupported, message, numbers...);
}
template <typename... Numbers>
[[nodiscard]] constexpr std::unexpected<Error> OverLimit(const char* message, Numbers... numbers) {
  return MakeError(ErrorCode::kLimit, message, numbers...);
}
template <typename... Numbers>
[[nodiscard]] constexpr std::unexpected<Error> InvalidArgument(const char* message,
                                                               Numbers... numbers) {
  return MakeError(ErrorCode::kInvalidArgument, message, numbers...);
}

}  // namespace instar

#define INSTAR_CONCAT_INNER_(a, b) a##b
#define INSTAR_CONCAT_(a, b) INSTAR_CONCAT_INNER_(a, b)

// Returns the error of `expression` (a Status) from the enclosing function, if it is one.
#define INSTAR_TRY(expression)                                            \
  do {                                                                    \
    if (auto instar_status_ = (expression); !instar_status_) [[unlikely]] \
      return std::unexpected(instar_status_.error());                     \
  } while (false)

// INSTAR_ASSIGN_OR_RETURN(auto x, F()): x is the value of F(), or the error is returned.
#define INSTAR_ASSIGN_OR_RETURN(declaration, expression) \
  INSTAR_ASSIGN_OR_RETURN_IMPL_(INSTAR_CONCAT_(instar_result_, __LINE__), declaration, expression)
#define INSTAR_ASSIGN_OR_RETURN_IMPL_(result, declaration, expression) \
  auto result = (expression);                                          \
  if (!result) [[unlikely]]                                            \
    return std::unexpected(result.error());                            \
  declaration = *std::move(result)

#endif  // FORMATS_BASE_ERROR_H_
