// Compares one chunk of two disks.
//
// Where data stands in both files, the host compares it; where it stands in one and the other reads
// as zeros, the host looks for what is not zero. So uncompressed data stays on the host. A chunk
// with compressed clusters, or cut into so many stretches that calls would cost more than moving
// it, is brought into the worker's memory instead, each disk with one call.
#ifndef INSTAR_COMPARE_CHUNK_COMPARER_H_
#define INSTAR_COMPARE_CHUNK_COMPARER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "compare/disk_pair.h"
#include "compare/event.h"
#include "compare/splitter.h"
#include "disk/content_loader.h"

namespace instar::compare {

// Not thread-safe: one a worker.
class ChunkComparer {
 public:
  static Result<std::unique_ptr<ChunkComparer>> Create(Host& host, const DiskPair& pair,
                                                       FirstEvent& first);

  // Offers the first event in the chunk, if there is one.
  void Compare(const Chunk& chunk);

 private:
  // Where both disks have one piece each.
  struct Segment {
    disk::SourceExtent a;
    disk::SourceExtent b;
  };

  ChunkComparer(Host& host, const DiskPair& pair, FirstEvent& first, PairCursor cursor);

  // The pieces of the chunk on both sides, up to where one cannot be told; how many bytes.
  std::uint64_t Map(const Chunk& chunk);
  void CutIntoSegments();
  [[nodiscard]] bool WantsMemory() const;
  void CompareInMemory(const Chunk& chunk);
  Status Load(std::size_t side, const Chunk& chunk);
  void CompareByHost();
  void CompareData(const Segment& segment);
  void ScanForData();
  void OfferDifference(std::uint64_t offset);
  void OfferUnreadable(std::uint64_t offset, const Error& error);

  Host& host_;
  FirstEvent& first_;
  PairCursor cursor_;
  std::array<std::vector<disk::SourceExtent>, 2> pieces_;
  std::vector<Segment> segments_;
  std::array<std::unique_ptr<disk::ContentLoader>, 2> loaders_;
  std::array<disk::ByteBuffer, 2> memory_;
  std::vector<std::uint64_t> bitmap_;
};

}  // namespace instar::compare

#endif  // INSTAR_COMPARE_CHUNK_COMPARER_H_
