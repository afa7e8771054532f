#include "formats/base/crc32c.h"

#include <array>
#include <cstring>

#include "formats/base/endian.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace instar {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // bits reversed

using Table = std::array<std::uint32_t, 256>;

// What a byte does to the sum if `following` zero bytes come after it.
constexpr Table MakeTable(unsigned following) {
  Table table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (unsigned bit = 0; bit < 8 * (following + 1); ++bit) {
      crc = crc >> 1 ^ ((crc & 1) != 0 ? kPolynomial : 0U);
    }
    table[i] = crc;
  }
  return table;
}

constexpr Table kTable = MakeTable(0);

std::uint32_t ByOneTable(std::uint32_t state, const std::byte* bytes, std::size_t length) {
  for (std::size_t i = 0; i < length; ++i) {
    state = state >> 8 ^ kTable[(state ^ static_cast<std::uint32_t>(bytes[i])) & 0xFF];
  }
  return state;
}

#if !defined(INSTAR_GUEST)
// The table at index i: of the byte that i others of the eight follow.
constexpr std::array<Table, 8> kTables = {MakeTable(0), MakeTable(1), MakeTable(2), MakeTable(3),
                                          MakeTable(4), MakeTable(5), MakeTable(6), MakeTable(7)};

std::uint32_t ByEightTables(std::uint32_t state, const std::byte* bytes, std::size_t length) {
  std::size_t at = 0;
  for (; length - at >= 8; at += 8) {
    const std::uint64_t word = LoadLe64({bytes + at, 8}, 0) ^ state;
    state = 0;
    for (unsigned i = 0; i < 8; ++i) state ^= kTables[7 - i][word >> (8 * i) & 0xFF];
  }
  return ByOneTable(state, bytes + at, length - at);
}
#endif

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t BySse42(std::uint32_t state, const std::byte* bytes,
                                                        std::size_t length) {
  std::uint64_t wide = state;
  std::size_t at = 0;
  for (; length - at >= 8; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes + at, sizeof word);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  state = static_cast<std::uint32_t>(wide);
  for (; at < length; ++at) {
    state = __builtin_ia32_crc32qi(state, static_cast<unsigned char>(bytes[at]));
  }
  return state;
}
#endif

internal::Crc32cFunction Fastest() {
  if (const auto function = internal::Crc32cBySse42()) return function;
  if (const auto function = internal::Crc32cByEightTables()) return function;
  return ByOneTable;
}

// In a virtual machine within another, asking the processor takes some 50 us: as long as this many
// bytes by one table.
constexpr std::size_t kWorthAsking = 16 << 10;

}  // namespace

namespace internal {

Crc32cFunction Crc32cByOneTable() { return ByOneTable; }

#if defined(INSTAR_GUEST)
Crc32cFunction Crc32cByEightTables() { return nullptr; }
#else
Crc32cFunction Crc32cByEightTables() { return ByEightTables; }
#endif

#if defined(__x86_64__)
Crc32cFunction Crc32cBySse42() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_SSE4_2) != 0 ? BySse42 : nullptr;
}
#else
Crc32cFunction Crc32cBySse42() { return nullptr; }
#endif

}  // namespace internal

void Crc32c::Add(std::span<const std::byte> bytes) {
  if (sum_ == nullptr) {
    unasked_bytes_ += bytes.size();
    if (unasked_bytes_ >= kWorthAsking) sum_ = Fastest();
  }
  state_ = (sum_ == nullptr ? ByOneTable : sum_)(state_, bytes.data(), bytes.size());
}

std::uint32_t Crc32cWithout(std::span<const std::byte> bytes, std::size_t checksum_at) {
  constexpr std::array<std::byte, 4> kZeros{};
  Crc32c crc;
  crc.Add(bytes.first(checksum_at));
  crc.Add(kZeros);
  crc.Add(bytes.subspan(checksum_at + 4));
  return crc.value();
}

}  // namespace instar
