// What the units of one claim hold: data, zeros, or nothing of the source's own.
#ifndef INSTAR_CONVERT_ZERO_MAP_H_
#define INSTAR_CONVERT_ZERO_MAP_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "disk/source_extent.h"
#include "instar/host.h"

namespace instar::convert {

class ZeroMap {
 public:
  enum class Unit : std::uint8_t {
    kNothing = 0,
    kZero = 1,
    kData = 2,
  };

  // A claim has at most `max_bytes` and `max_pieces`. `zero_run_bytes` is the shortest run of zeros
  // that counts, a power of two up to a chunk; 0: none does. `unit_bytes` is a power of two.
  ZeroMap(Host& host, std::uint64_t unit_bytes, std::uint64_t zero_run_bytes,
          std::uint64_t max_bytes, std::size_t max_pieces);

  // Starts a claim at virtual `offset`, of `length` bytes, with all units kNothing.
  void Reset(std::uint64_t offset, std::uint64_t length);

  // Finds the units that `pieces` fill and sets has_zero_runs of those of them that may hold both
  // data and zeros. `memory` is the chunk buffer, for pieces of kMemory. Pieces of kData are
  // scanned by the host, all in one call, unless `trust_data`: then they count as data that may
  // have zeros.
  Status Scan(std::span<disk::SourceExtent> pieces, std::span<const std::byte> memory,
              bool trust_data);

  [[nodiscard]] std::size_t units() const { return units_.size(); }
  [[nodiscard]] Unit operator[](std::size_t unit) const { return units_[unit]; }
  void Mark(std::uint64_t offset, std::uint64_t length, Unit value);
  // How many units hold that.
  [[nodiscard]] std::size_t Count(Unit value) const;

 private:
  // One range of a scan, within one piece; but for its first and last, its blocks are
  // block_bytes_.
  struct Scanned {
    std::size_t piece;
    std::uint64_t offset;
    std::uint64_t length;
  };
  void AddRanges(std::size_t index, const disk::SourceExtent& piece);
  Status ScanByHost(std::span<disk::SourceExtent> pieces);
  void ScanMemory(disk::SourceExtent& piece, std::span<const std::byte> memory);

  Host& host_;
  const std::uint64_t unit_bytes_;
  const std::uint64_t zero_run_bytes_;
  const std::uint64_t block_bytes_;  // that the host scans: it need not find runs within a unit
  std::uint64_t offset_ = 0;
  std::vector<Unit> units_;
  std::vector<Scanned> scanned_;
  std::vector<ScanRange> ranges_;
  std::vector<std::uint64_t> bitmap_;
};

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_ZERO_MAP_H_
