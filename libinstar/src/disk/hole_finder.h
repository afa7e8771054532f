// Data of an image that stands in a hole of its file: it is zeros, and need not be read. Formats
// allocate large blocks whole, or all of the disk beforehand, which then hold little; and all of a
// raw disk stands in its file, holes and all.
#ifndef DISK_HOLE_FINDER_H_
#define DISK_HOLE_FINDER_H_

#include <cstdint>
#include <optional>

#include "disk/source_extent.h"
#include "formats/base/run_cache.h"
#include "instar/host.h"

namespace instar::disk {

// For one pass over a disk, in order.
class HoleFinder {
 public:
  // Holes below `chunk_bytes` do not count.
  HoleFinder(Host& host, std::uint64_t chunk_bytes) : host_(host), chunk_bytes_(chunk_bytes) {}

  // Makes `piece` one of zeros, as far as the hole reaches, if it is data that starts in a long
  // hole of its file and is longer than a chunk. A call of the host costs as much as copying some
  // of a chunk, so not every piece is looked at. Fails where the host cannot tell.
  Status Look(SourceExtent& piece);

 private:
  // Looks come after so many chunks, and twice as many each time that there is no hole.
  static constexpr std::uint64_t kFirstStep = 8;
  static constexpr std::uint64_t kLongestStep = 512;

  // The run of the file that the piece starts in; of data no more than its first byte. After one
  // long hole another is likely, and what follows is asked for as well.
  Result<FileRun> RunAt(const SourceExtent& piece);

  Host& host_;
  const std::uint64_t chunk_bytes_;
  std::uint64_t next_offset_ = 0;  // of the disk: nothing is looked at before
  std::uint64_t step_ = kFirstStep;
  bool after_hole_ = false;         // the last look found one
  std::optional<HostDevice> file_;  // in which
  RunCache runs_;                   // of that
};

}  // namespace instar::disk

#endif  // DISK_HOLE_FINDER_H_
