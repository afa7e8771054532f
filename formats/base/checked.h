// Arithmetic on numbers that came from an image: overflow and narrowing are errors, never wrap.
#ifndef FORMATS_BASE_CHECKED_H_
#define FORMATS_BASE_CHECKED_H_

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

namespace instar {

[[nodiscard]] constexpr std::optional<std::uint64_t> CheckedAdd(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

[[nodiscard]] constexpr std::optional<std::uint64_t> CheckedMul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// `value` as a To, or nothing if it does not fit.
template <std::integral To, std::integral From>
[[nodiscard]] constexpr std::optional<To> CheckedNarrow(From value) {
  if (!std::in_range<To>(value)) return std::nullopt;
  return static_cast<To>(value);
}

// Whether [offset, offset + length) lies within [0, limit). Never overflows.
[[nodiscard]] constexpr bool RangeFits(std::uint64_t offset, std::uint64_t length,
                                       std::uint64_t limit) {
  return offset <= limit && length <= limit - offset;
}

[[nodiscard]] constexpr bool IsPowerOfTwo(std::uint64_t value) {
  return value != 0 && (value & (value - 1)) == 0;
}

// `unit` is a power of two.
[[nodiscard]] constexpr std::uint64_t AlignDown(std::uint64_t value, std::uint64_t unit) {
  return value & ~(unit - 1);
}
[[nodiscard]] constexpr std::optional<std::uint64_t> AlignUp(std::uint64_t value,
                                                             std::uint64_t unit) {
  const auto sum = CheckedAdd(value, unit - 1);
  if (!sum) return std::nullopt;
  return AlignDown(*sum, unit);
}

// ceil(value / unit) without overflow; `unit` is not 0.
[[nodiscard]] constexpr std::uint64_t DivideRoundUp(std::uint64_t value, std::uint64_t unit) {
  return value / unit + (value % unit != 0 ? 1 : 0);
}

}  // namespace instar

#endif  // FORMATS_BASE_CHECKED_H_
