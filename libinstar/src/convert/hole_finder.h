// Data of an image that stands in a hole of its file: it is zeros, and need not be read. Formats
// allocate large blocks whole, or all of the disk beforehand, which then hold little; and all of a
// raw disk stands in its file, holes and all.
#ifndef INSTAR_CONVERT_HOLE_FINDER_H_
#define INSTAR_CONVERT_HOLE_FINDER_H_

#include <cstdint>

#include "convert/piece.h"
#include "instar/host.h"

namespace instar::convert {

// For one pass over a disk, in order.
class HoleFinder {
 public:
  // Holes below `chunk_bytes` do not count.
  HoleFinder(Host& host, std::uint64_t chunk_bytes) : host_(host), chunk_bytes_(chunk_bytes) {}

  // Makes `piece` one of zeros, as far as the hole reaches, if it is data that starts in a long
  // hole of its file and is longer than a chunk. A call of the host costs as much as copying some
  // of a chunk, so not every piece is looked at. Fails where the host cannot tell.
  Status Look(Piece& piece);

 private:
  // Looks come after so many chunks, and twice as many each time that there is no hole.
  static constexpr std::uint64_t kFirstStep = 8;
  static constexpr std::uint64_t kLongestStep = 512;

  Host& host_;
  const std::uint64_t chunk_bytes_;
  std::uint64_t next_offset_ = 0;  // of the disk: nothing is looked at before
  std::uint64_t step_ = kFirstStep;
};

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_HOLE_FINDER_H_
