// Sizes in bytes, as people write and read them.
#ifndef CLI_BYTE_SIZE_H_
#define CLI_BYTE_SIZE_H_

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace instar::cli {

// A size of the command line: a decimal number, with a fraction if a suffix k, M, G, T, P or E
// (powers of 1024, either case) follows, or a hexadecimal one after "0x". The suffix "b" is
// ignored. At most 2^63-1. The error says what is wrong in the way qemu-img does; `what` is how it
// calls the value ("rate limit").
[[nodiscard]] std::expected<std::uint64_t, std::string> ParseByteSize(std::string_view text,
                                                                      std::string_view what);

// The same, of up to 2^64-1, for a caller with words of its own.
enum class SizeFault { kNoSize, kTooLarge };
[[nodiscard]] std::expected<std::uint64_t, SizeFault> ParseSizeParameter(std::string_view text);

// A whole number in decimal, octal (after "0") or hexadecimal (after "0x"), or nothing.
[[nodiscard]] std::expected<std::uint64_t, std::string> ParseNumber(std::string_view text,
                                                                    std::string_view what,
                                                                    std::uint64_t smallest,
                                                                    std::uint64_t largest);
// The same in decimal digits and nothing else.
[[nodiscard]] std::expected<std::uint64_t, std::string> ParseDecimal(std::string_view text,
                                                                     std::string_view what,
                                                                     std::uint64_t smallest,
                                                                     std::uint64_t largest);

// `bytes` with three significant digits and a binary unit, as qemu-img shows sizes: "1.5 KiB".
[[nodiscard]] std::string HumanByteSize(std::uint64_t bytes);

// `bytes` rounded up to whole sectors of 512 bytes, the unit in which qemu-img tells lengths of
// files.
[[nodiscard]] constexpr std::uint64_t WholeSectors(std::uint64_t bytes) {
  constexpr std::uint64_t kSectorBytes = 512;
  return bytes / kSectorBytes * kSectorBytes + (bytes % kSectorBytes == 0 ? 0 : kSectorBytes);
}

}  // namespace instar::cli

#endif  // CLI_BYTE_SIZE_H_
