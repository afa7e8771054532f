// A change in place: the file holds the old image or the new one at every moment.
//
//   1. Build   new structures are written where nothing of the old image is (cluster_space.h)
//   2. Flush
//   3. Flip    one write of one sector, the root, from which everything else is found; it is on the
//              disk when the call returns
//   4. Reclaim what only the old image used is given back
//
// A crash in 1 or 2 leaves the old image and a longer file, in 4 the new image and some storage
// that holes would have saved. In 3 it leaves one or the other: a sector is written whole.
//
// This class keeps to the rule that makes it true: before the flip it refuses to write anything
// that was not taken from the space. docs/inplace.md tells users of it; tests/crash proves it.
//
// Not thread-safe.
#ifndef FORMATS_EDIT_TRANSACTION_H_
#define FORMATS_EDIT_TRANSACTION_H_

#include <algorithm>
#include <cstdint>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/edit/cluster_space.h"

namespace instar {

class Transaction {
 public:
  // Both must outlive this. `cluster_bits`: the unit of `space`.
  Transaction(TargetDevice& device, ClusterSpace& space, unsigned cluster_bits)
      : device_(device),
        space_(space),
        cluster_bits_(cluster_bits),
        old_bytes_(device.size_bytes()) {}

  // Cuts off what lies behind the end of the space, which nothing counts: a tail that an earlier
  // change left when it was ended. So what is taken there reads as zeros.
  Status CutTail();

  // Writes to clusters that were taken. kIo, kNoSpace; kDenied for all others.
  Status Write(std::uint64_t offset, std::span<const std::byte> data);
  Status WriteAll(std::span<const WritePiece> pieces);
  // The check that Write makes, for whoever then writes there through device(). kDenied.
  Status ReadyToWrite(std::uint64_t offset, std::uint64_t length);
  // Makes clusters that were taken read as zeros.
  Status Zero(std::uint64_t offset, std::uint64_t length);

  // Length of the file as it is now.
  [[nodiscard]] std::uint64_t file_bytes() const {
    return std::max(device_.size_bytes(), written_end_);
  }
  // Lengthens the file to `end` bytes, up to which clusters were taken, if it is shorter. What it
  // grows by reads as zeros and is stored as `preallocation` says.
  Status Lengthen(std::uint64_t end, Preallocation preallocation);
  // Writes to a part of the root's cluster that the old root does not reach, as the format's
  // planner of roots has made sure.
  Status WriteBesideRoot(std::uint64_t offset, std::span<const std::byte> data) {
    return device_.Write(offset, data);
  }

  // Step 3 with the flush before and the one within it.
  Status Flip(std::uint64_t offset, std::span<const std::byte> root);
  // Whether the flip was begun: from then on the file may hold the new image.
  [[nodiscard]] bool flipped() const { return flipped_; }

  // After the flip: cuts the file to `end` bytes, if it is longer.
  Status CutTo(std::uint64_t end);

  // Before the flip: gives the file its old length back. Failures are passed over: what is left is
  // a tail that nothing counts.
  void Undo();

  [[nodiscard]] TargetDevice& device() const { return device_; }

 private:
  TargetDevice& device_;
  ClusterSpace& space_;
  const unsigned cluster_bits_;
  const std::uint64_t old_bytes_;  // of the file
  std::uint64_t written_end_ = 0;
  bool flipped_ = false;
};

}  // namespace instar

#endif  // FORMATS_EDIT_TRANSACTION_H_
