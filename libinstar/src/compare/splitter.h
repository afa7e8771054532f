// Hands the disks out to the workers in ascending order.
//
// A stretch where both disks read as zeros is stepped over at once, however long. In strict mode
// this is also where allocation is compared, by one cursor: the order in which differences are
// found must not depend on the workers.
#ifndef INSTAR_COMPARE_SPLITTER_H_
#define INSTAR_COMPARE_SPLITTER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "compare/disk_pair.h"
#include "compare/event.h"
#include "disk/hole_finder.h"
#include "instar/chain.h"

namespace instar::compare {

// Large enough that a call is small beside comparing as much.
inline constexpr std::uint64_t kChunkBytes = 2 << 20;

struct Chunk {
  std::uint64_t offset = 0;
  std::uint64_t length_bytes = 0;
};

class Splitter {
 public:
  static Result<std::unique_ptr<Splitter>> Create(Host& host, const DiskPair& pair, bool strict,
                                                  FirstEvent& first);

  // The next chunk, or nothing when there is none or something ended the comparison.
  std::optional<Chunk> Next();

 private:
  Splitter(Host& host, const DiskPair& pair, bool strict, FirstEvent& first)
      : host_(host),
        pair_(pair),
        strict_(strict),
        first_(first),
        holes_{disk::HoleFinder(host, kChunkBytes), disk::HoleFinder(host, kChunkBytes)} {}
  // Steps over zeros; false at the end.
  bool SkipZeros();
  // Compares the allocation of [offset, offset + length); the bytes up to a difference.
  std::uint64_t CompareAllocation(std::uint64_t offset, std::uint64_t length);

  Host& host_;
  const DiskPair& pair_;
  const bool strict_;
  FirstEvent& first_;
  std::atomic_flag lock_;
  std::uint64_t next_ = 0;
  PairCursor cursor_;
  std::array<disk::HoleFinder, 2> holes_;
  std::array<std::unique_ptr<ChainCursor>, 2> strict_cursors_;
};

}  // namespace instar::compare

#endif  // INSTAR_COMPARE_SPLITTER_H_
