// The pieces of one claim.
#ifndef INSTAR_CONVERT_CHUNK_MAP_H_
#define INSTAR_CONVERT_CHUNK_MAP_H_

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "convert/chunk_queue.h"
#include "disk/salvage.h"
#include "disk/source_disk.h"

namespace instar::convert {

// Not thread-safe: one a worker. Allocates only when it is made.
class ChunkMap {
 public:
  struct Options {
    std::uint64_t chunk_bytes = kChunkBytes;
    std::uint64_t longest_bytes = kChunkBytes;      // a claim in which units are told apart
    std::uint64_t unit_bytes = disk::kSectorBytes;  // of the target
    bool inherit = false;                           // the target has a backing file
    bool short_holes = false;                       // holes of raw sources count however short
    disk::SalvageCount* salvage = nullptr;          // set: what cannot be read is zeros
  };

  static Result<ChunkMap> Create(Host& host, const disk::SourceDisk& disk, const Options& options);

  // Maps the claim: pieces in order, without gaps. Where the target has a backing file, units of
  // the target that the source's top layer says nothing of become kInherited; units it says
  // something of are told in full, so that whole units can be written.
  Status Fill(const Claim& claim);

  [[nodiscard]] std::span<disk::SourceExtent> pieces() { return pieces_; }
  [[nodiscard]] std::size_t max_pieces() const { return max_pieces_; }

 private:
  ChunkMap(Host& host, const disk::SourceDisk& disk, const Options& options);
  Status Add(const disk::SourceExtent& piece);
  Result<disk::SourceExtent> Next(std::uint64_t offset, std::uint64_t max_length);
  Status ResolveInherited(const Claim& claim);

  Host* host_;
  const disk::SourceDisk* disk_;
  Options options_;
  std::size_t max_pieces_;
  std::unique_ptr<disk::SourceCursor> cursor_;
  std::vector<disk::SourceExtent> pieces_;
  std::vector<disk::SourceExtent> spare_;
  std::vector<std::uint8_t> touched_;  // 1 or 0, by unit of the target
};

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_CHUNK_MAP_H_
