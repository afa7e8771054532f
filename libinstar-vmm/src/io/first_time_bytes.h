// How much of what is written to a target is written there for the first time.
//
// A guest that was taken over can have the same bytes written again and again. The host must not
// take that for progress, and it cannot remember every byte of a target. It counts instead how much
// was written into each unit of the file: up to the unit's length that is new, what goes beyond is
// not. Example: units of 256 KiB, of which a guest writes the first MiB over and over. The four
// units are full after the first time; from the second time on nothing is new.
//
// Units near the start of a file are small, far out they are large: 256 KiB up to 16 GiB, beyond
// that a 8192th of the highest power of two below the offset (16 MiB at 128 GiB, 128 MiB at 1 TiB).
// So one byte written at 2^62 makes only the unit there huge, and the memory for all units is
// bounded: 32 KiB for the first 2 GiB that are touched and for each further 2 GiB up to 16 GiB,
// then 32 KiB for each power of two; 1.2 MiB at most. It costs one atomic addition for each unit
// that a write touches. Several threads may call at once.
#ifndef LIBINSTAR_VMM_SRC_IO_FIRST_TIME_BYTES_H_
#define LIBINSTAR_VMM_SRC_IO_FIRST_TIME_BYTES_H_

#include <array>
#include <atomic>
#include <cstdint>

namespace instar::vmm {

class FirstTimeBytes {
 public:
  static constexpr std::uint64_t kSmallestUnit = std::uint64_t{256} << 10;

  FirstTimeBytes() = default;
  ~FirstTimeBytes();
  FirstTimeBytes(const FirstTimeBytes&) = delete;
  FirstTimeBytes& operator=(const FirstTimeBytes&) = delete;

  // [offset, offset+length) was written. How much of it counts as new. Offsets from 2^63 on are
  // never new, and nothing is without memory to count in.
  std::uint64_t Add(std::uint64_t offset, std::uint64_t length);

 private:
  static constexpr unsigned kUnitsBits = 13;  // units of one block of counters
  static constexpr unsigned kSmallBits = 18;  // of the smallest unit
  static constexpr unsigned kNearBits = 34;   // offsets below 2^34 have the smallest units
  static constexpr unsigned kNearBlocks = 1u << (kNearBits - kSmallBits - kUnitsBits);
  static constexpr unsigned kBlocks = kNearBlocks + (63 - kNearBits);

  // In steps of the unit's length / 2^31, at least a byte.
  using Block = std::array<std::atomic<std::uint32_t>, 1u << kUnitsBits>;
  struct Unit {
    std::atomic<std::uint32_t>* filled = nullptr;
    unsigned bits = 0;  // its length is 2^bits
  };
  Unit UnitAt(std::uint64_t offset);
  Block* BlockAt(unsigned index);

  std::array<std::atomic<Block*>, kBlocks> blocks_{};
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_FIRST_TIME_BYTES_H_
