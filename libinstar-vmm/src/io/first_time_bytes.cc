#include "io/first_time_bytes.h"

#include <algorithm>
#include <bit>
#include <new>

namespace instar::vmm {
namespace {

// Adds `bytes` to what a unit of `unit_bytes` holds; how much of them there was room for.
std::uint64_t Fill(std::atomic<std::uint32_t>& filled, unsigned unit_bits, std::uint64_t bytes) {
  const unsigned step_bits = unit_bits > 31 ? unit_bits - 31 : 0;
  const std::uint64_t full = std::uint64_t{1} << (unit_bits - step_bits);
  const std::uint64_t steps = (bytes + (std::uint64_t{1} << step_bits) - 1) >> step_bits;
  std::uint32_t old = filled.load(std::memory_order_relaxed);
  std::uint64_t room = 0;
  do {
    room = full - old;
    if (room == 0) return 0;
  } while (!filled.compare_exchange_weak(
      old, static_cast<std::uint32_t>(old + std::min(room, steps)), std::memory_order_relaxed));
  return std::min(bytes, room << step_bits);
}

}  // namespace

FirstTimeBytes::~FirstTimeBytes() {
  for (std::atomic<Block*>& block : blocks_) delete block.load();
}

FirstTimeBytes::Block* FirstTimeBytes::BlockAt(unsigned index) {
  Block* block = blocks_[index].load(std::memory_order_acquire);
  if (block != nullptr) return block;
  auto* const made = new (std::nothrow) Block{};
  if (made == nullptr) return nullptr;
  if (blocks_[index].compare_exchange_strong(block, made, std::memory_order_acq_rel)) return made;
  delete made;  // another thread was first
  return block;
}

FirstTimeBytes::Unit FirstTimeBytes::UnitAt(std::uint64_t offset) {
  unsigned index = 0;
  unsigned bits = kSmallBits;
  if (offset >> kNearBits == 0) {
    index = static_cast<unsigned>(offset >> (kSmallBits + kUnitsBits));
  } else {
    const auto power = static_cast<unsigned>(std::bit_width(offset) - 1);
    index = kNearBlocks + (power - kNearBits);
    bits = power - kUnitsBits;
  }
  Block* const block = BlockAt(index);
  if (block == nullptr) return {};
  return {.filled = &(*block)[(offset >> bits) & ((1u << kUnitsBits) - 1)], .bits = bits};
}

std::uint64_t FirstTimeBytes::Add(std::uint64_t offset, std::uint64_t length) {
  constexpr std::uint64_t kEnd = std::uint64_t{1} << 63;
  if (offset >= kEnd) return 0;
  length = std::min(length, kEnd - offset);
  std::uint64_t fresh = 0;
  while (length > 0) {
    const Unit unit = UnitAt(offset);
    if (unit.filled == nullptr) break;
    const std::uint64_t unit_bytes = std::uint64_t{1} << unit.bits;
    const std::uint64_t piece = std::min(length, unit_bytes - (offset & (unit_bytes - 1)));
    fresh += Fill(*unit.filled, unit.bits, piece);
    offset += piece;
    length -= piece;
  }
  return fresh;
}

}  // namespace instar::vmm
