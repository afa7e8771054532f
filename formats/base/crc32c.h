// CRC-32C (Castagnoli; RFC 3720, appendix B.4), the checksum of every VHDX structure.
#ifndef FORMATS_BASE_CRC32C_H_
#define FORMATS_BASE_CRC32C_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace instar {

// Sums bytes that come in pieces.
class Crc32c {
 public:
  constexpr void Add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      state_ = state_ >> 8 ^ kTable[(state_ ^ static_cast<std::uint32_t>(byte)) & 0xFF];
    }
  }
  [[nodiscard]] constexpr std::uint32_t value() const { return ~state_; }

 private:
  static constexpr std::array<std::uint32_t, 256> kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
      table[i] = crc;
    }
    return table;
  }();
  std::uint32_t state_ = ~std::uint32_t{0};
};

// Of `bytes` with the four at `checksum_at` taken for zero.
[[nodiscard]] constexpr std::uint32_t Crc32cWithout(std::span<const std::byte> bytes,
                                                    std::size_t checksum_at) {
  constexpr std::array<std::byte, 4> kZeros{};
  Crc32c crc;
  crc.Add(bytes.first(checksum_at));
  crc.Add(kZeros);
  crc.Add(bytes.subspan(checksum_at + 4));
  return crc.value();
}

}  // namespace instar

#endif  // FORMATS_BASE_CRC32C_H_
