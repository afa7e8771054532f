// The two disks of a comparison, each seen up to the end of the longer one.
#ifndef INSTAR_COMPARE_DISK_PAIR_H_
#define INSTAR_COMPARE_DISK_PAIR_H_

#include <array>
#include <cstdint>
#include <memory>

#include "disk/source_disk.h"
#include "instar/requests.h"

namespace instar::compare {

class DiskPair {
 public:
  static Result<std::unique_ptr<DiskPair>> Open(Host& host, const CompareRequest& request);

  [[nodiscard]] const disk::SourceDisk& disk(std::size_t side) const { return *disks_[side]; }
  [[nodiscard]] std::uint64_t common_bytes() const;  // of the shorter one
  [[nodiscard]] std::uint64_t total_bytes() const;   // of the longer one

 private:
  std::array<std::unique_ptr<disk::SourceDisk>, 2> disks_;
};

// One worker's way of seeing the pair.
class PairCursor {
 public:
  // As Chain::OpenCursor.
  static Result<PairCursor> Open(const DiskPair& pair, std::uint64_t first_ahead_bytes);

  // The piece of the disk `side` at `offset`, which is below total_bytes(): zeros beyond its end.
  Result<disk::SourceExtent> Next(std::size_t side, std::uint64_t offset, std::uint64_t max_length);

 private:
  const DiskPair* pair_ = nullptr;
  std::array<std::unique_ptr<disk::SourceCursor>, 2> cursors_;
};

}  // namespace instar::compare

#endif  // INSTAR_COMPARE_DISK_PAIR_H_
