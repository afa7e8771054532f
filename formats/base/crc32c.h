// CRC-32C (Castagnoli; RFC 3720, appendix B.4), the checksum of every VHDX structure.
//
// Summed by the processor's own instruction where it has one (SSE4.2: some 8 GB/s), else by eight
// tables at a time (2 GB/s); in a guest, where 8 KiB of tables are dear, by one (0.4 GB/s).
#ifndef FORMATS_BASE_CRC32C_H_
#define FORMATS_BASE_CRC32C_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace instar {

namespace internal {

// What continues the sum `state`, which is not inverted, over `length` bytes.
using Crc32cFunction = std::uint32_t (*)(std::uint32_t state, const std::byte* bytes,
                                         std::size_t length);

// The ways to sum, for tests. Null where this processor (or this build) has none such.
Crc32cFunction Crc32cByOneTable();
Crc32cFunction Crc32cByEightTables();
Crc32cFunction Crc32cBySse42();

}  // namespace internal

// Sums bytes that come in pieces.
class Crc32c {
 public:
  void Add(std::span<const std::byte> bytes);
  // Begins a new sum, and keeps what is known of the processor: for who sums often.
  void Restart() { state_ = ~std::uint32_t{0}; }
  [[nodiscard]] std::uint32_t value() const { return ~state_; }

 private:
  internal::Crc32cFunction sum_ = nullptr;  // null: the processor was not yet asked what it has
  std::size_t unasked_bytes_ = 0;           // that were summed until then
  std::uint32_t state_ = ~std::uint32_t{0};
};

// Of `bytes` with the four at `checksum_at` taken for zero.
[[nodiscard]] std::uint32_t Crc32cWithout(std::span<const std::byte> bytes,
                                          std::size_t checksum_at);

}  // namespace instar

#endif  // FORMATS_BASE_CRC32C_H_
