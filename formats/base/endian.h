// On-disk integers. Load and store at a byte offset of a span whose bounds the caller has fixed.
#ifndef FORMATS_BASE_ENDIAN_H_
#define FORMATS_BASE_ENDIAN_H_

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace instar {

template <std::unsigned_integral T, std::endian kOrder>
[[nodiscard]] inline T Load(std::span<const std::byte> bytes, std::size_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) __builtin_trap();
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  if constexpr (kOrder != std::endian::native && sizeof(T) > 1) {
    if constexpr (sizeof(T) == 2) value = __builtin_bswap16(value);
    if constexpr (sizeof(T) == 4) value = __builtin_bswap32(value);
    if constexpr (sizeof(T) == 8) value = __builtin_bswap64(value);
  }
  return value;
}

template <std::unsigned_integral T, std::endian kOrder>
inline void Store(std::span<std::byte> bytes, std::size_t offset, T value) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) __builtin_trap();
  if constexpr (kOrder != std::endian::native && sizeof(T) > 1) {
    if constexpr (sizeof(T) == 2) value = __builtin_bswap16(value);
    if constexpr (sizeof(T) == 4) value = __builtin_bswap32(value);
    if constexpr (sizeof(T) == 8) value = __builtin_bswap64(value);
  }
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

// An integer as it stands on disk, for arrays of table entries read in place, and for lists of
// fields (disk_struct.h).
template <std::unsigned_integral T, std::endian kOrder>
class OnDisk {
 public:
  using Integer = T;
  template <typename Value>
  static constexpr std::size_t kBytes = sizeof(T);

  // `value` is an integer, an enum, or a std::optional of an integer; without a value 0 is stored.
  template <typename Value>
  static void Decode(const std::byte* bytes, Value& value) {
    value = static_cast<Value>(Load<T, kOrder>({bytes, sizeof(T)}, 0));
  }
  static void Encode(const auto& value, std::byte* bytes) {
    if constexpr (requires { value.value_or(0); }) {
      Encode(value.value_or(0), bytes);
    } else {
      Store<T, kOrder>({bytes, sizeof(T)}, 0, static_cast<T>(value));
    }
  }

  OnDisk() = default;
  explicit OnDisk(T value) { Store<T, kOrder>(bytes_, 0, value); }
  [[nodiscard]] T value() const { return Load<T, kOrder>(bytes_, 0); }

 private:
  std::byte bytes_[sizeof(T)] = {};
};

using Be16 = OnDisk<std::uint16_t, std::endian::big>;
using Be32 = OnDisk<std::uint32_t, std::endian::big>;
using Be64 = OnDisk<std::uint64_t, std::endian::big>;
using Le16 = OnDisk<std::uint16_t, std::endian::little>;
using Le32 = OnDisk<std::uint32_t, std::endian::little>;
using Le64 = OnDisk<std::uint64_t, std::endian::little>;

[[nodiscard]] inline std::uint16_t LoadBe16(std::span<const std::byte> b, std::size_t at) {
  return Load<std::uint16_t, std::endian::big>(b, at);
}
[[nodiscard]] inline std::uint32_t LoadBe32(std::span<const std::byte> b, std::size_t at) {
  return Load<std::uint32_t, std::endian::big>(b, at);
}
[[nodiscard]] inline std::uint64_t LoadBe64(std::span<const std::byte> b, std::size_t at) {
  return Load<std::uint64_t, std::endian::big>(b, at);
}
[[nodiscard]] inline std::uint16_t LoadLe16(std::span<const std::byte> b, std::size_t at) {
  return Load<std::uint16_t, std::endian::little>(b, at);
}
[[nodiscard]] inline std::uint32_t LoadLe32(std::span<const std::byte> b, std::size_t at) {
  return Load<std::uint32_t, std::endian::little>(b, at);
}
[[nodiscard]] inline std::uint64_t LoadLe64(std::span<const std::byte> b, std::size_t at) {
  return Load<std::uint64_t, std::endian::little>(b, at);
}
inline void StoreBe16(std::span<std::byte> b, std::size_t at, std::uint16_t v) {
  Store<std::uint16_t, std::endian::big>(b, at, v);
}
inline void StoreBe32(std::span<std::byte> b, std::size_t at, std::uint32_t v) {
  Store<std::uint32_t, std::endian::big>(b, at, v);
}
inline void StoreBe64(std::span<std::byte> b, std::size_t at, std::uint64_t v) {
  Store<std::uint64_t, std::endian::big>(b, at, v);
}
inline void StoreLe16(std::span<std::byte> b, std::size_t at, std::uint16_t v) {
  Store<std::uint16_t, std::endian::little>(b, at, v);
}
inline void StoreLe32(std::span<std::byte> b, std::size_t at, std::uint32_t v) {
  Store<std::uint32_t, std::endian::little>(b, at, v);
}
inline void StoreLe64(std::span<std::byte> b, std::size_t at, std::uint64_t v) {
  Store<std::uint64_t, std::endian::little>(b, at, v);
}

}  // namespace instar

#endif  // FORMATS_BASE_ENDIAN_H_
