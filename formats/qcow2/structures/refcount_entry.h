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

// Fills `out` with the entries from `first` on.
inline void LoadRefcounts(std::span<const std::byte> block, std::size_t first, unsigned order,
                          std::span<std::uint64_t> out) {
  const auto load = [&](const auto& entry) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = entry(first + i);
  };
  switch (order) {
    case 3:
      return load([&](std::size_t i) { return std::to_integer<std::uint64_t>(block[i]); });
    case 4:
      return load([&](std::size_t i) { return std::uint64_t{LoadBe16(block, i * 2)}; });
    case 5:
      return load([&](std::size_t i) { return std::uint64_t{LoadBe32(block, i * 4)}; });
    case 6:
      return load([&](std::size_t i) { return LoadBe64(block, i * 8); });
    default:
      return load([&](std::size_t i) { return LoadRefcount(block, i, order); });
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

// Stores `counts`, each at most MaxRefcount(order), as the entries from `first` on.
inline void StoreRefcounts(std::span<std::byte> block, std::size_t first, unsigned order,
                           std::span<const std::uint64_t> counts) {
  switch (order) {
    case 5:
      for (std::size_t i = 0; i < counts.size(); ++i) {
        StoreBe32(block, (first + i) * 4, static_cast<std::uint32_t>(counts[i]));
      }
      return;
    case 6:
      for (std::size_t i = 0; i < counts.size(); ++i) {
        StoreBe64(block, (first + i) * 8, counts[i]);
      }
      return;
    default:
      for (std::size_t i = 0; i < counts.size(); ++i) {
        StoreRefcount(block, first + i, order, counts[i]);
      }
      return;
  }
}

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_STRUCTURES_REFCOUNT_ENTRY_H_
