// Refcounts as they stand in a refcount block: entries of 1 to 64 bits, big-endian from 16 bits on,
// packed from the least significant bit of each byte below 8.
#ifndef FORMATS_QCOW2_STRUCTURES_REFCOUNT_ENTRY_H_
#define FORMATS_QCOW2_STRUCTURES_REFCOUNT_ENTRY_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/endian.h"

namespace instar::qcow2 {

// The largest count an entry of 1 << `order` bits can hold; `order` is 0 to 6.
[[nodiscard]] constexpr std::uint64_t MaxRefcount(unsigned order) {
  return ~std::uint64_t{0} >> (64 - (1U << order));
}

// Entries of one refcount block, which fills one cluster.
[[nodiscard]] constexpr std::uint64_t RefcountsPerBlock(unsigned cluster_bits, unsigned order) {
  return std::uint64_t{8} << cluster_bits >> order;
}

[[nodiscard]] inline std::uint64_t LoadRefcount(std::span<const std::byte> block, std::size_t index,
                                                unsigned order) {
  switch (order) {
    case 3:
      return std::to_integer<std::uint64_t>(block[index]);
    case 4:
      return LoadBe16(block, index * 2);
    case 5:
      return LoadBe32(block, index * 4);
    case 6:
      return LoadBe64(block, index * 8);
    default: {
      const std::size_t bit = index << order;
      return (std::to_integer<std::uint64_t>(block[bit / 8]) >> (bit % 8)) & MaxRefcount(order);
    }
  }
}

// Calls `visit(number, refcount)` for the entries [first, end) of a block. Entries of 16 bits,
// which nearly all images have, go by fastest.
template <typename Visit>
void ForEachRefcount(std::span<const std::byte> block, unsigned order, std::uint64_t first,
                     std::uint64_t end, const Visit& visit) {
  if (order == 4) {
    for (std::uint64_t i = first; i < end; ++i) visit(i, std::uint64_t{LoadBe16(block, i * 2)});
  } else {
    for (std::uint64_t i = first; i < end; ++i) visit(i, LoadRefcount(block, i, order));
  }
}

// `count` is at most MaxRefcount(order).
inline void StoreRefcount(std::span<std::byte> block, std::size_t index, unsigned order,
                          std::uint64_t count) {
  switch (order) {
    case 3:
      block[index] = static_cast<std::byte>(count);
      return;
    case 4:
      StoreBe16(block, index * 2, static_cast<std::uint16_t>(count));
      return;
    case 5:
      StoreBe32(block, index * 4, static_cast<std::uint32_t>(count));
      return;
    case 6:
      StoreBe64(block, index * 8, count);
      return;
    default: {
      const std::size_t bit = index << order;
      const auto mask = static_cast<std::byte>(MaxRefcount(order) << (bit % 8));
      block[bit / 8] = (block[bit / 8] & ~mask) | static_cast<std::byte>(count << (bit % 8));
      return;
    }
  }
}

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_STRUCTURES_REFCOUNT_ENTRY_H_
