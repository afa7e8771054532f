#include "compare/disk_pair.h"

#include <algorithm>
#include <utility>

namespace instar::compare {

Result<std::unique_ptr<DiskPair>> DiskPair::Open(Host& host, const CompareRequest& request) {
  auto pair = std::make_unique<DiskPair>();
  for (const std::size_t side : {0, 1}) {
    ConvertRequest one;
    one.sources.push_back(side == 0 ? request.first : request.second);
    one.max_chain_depth = request.max_chain_depth;
    INSTAR_ASSIGN_OR_RETURN(pair->disks_[side],
                            disk::SourceDisk::Open(host, one, /*inherit=*/false));
  }
  return pair;
}

std::uint64_t DiskPair::common_bytes() const {
  return std::min(disks_[0]->size_bytes(), disks_[1]->size_bytes());
}
std::uint64_t DiskPair::total_bytes() const {
  return std::max(disks_[0]->size_bytes(), disks_[1]->size_bytes());
}

Result<PairCursor> PairCursor::Open(const DiskPair& pair, std::uint64_t first_ahead_bytes) {
  PairCursor cursor;
  cursor.pair_ = &pair;
  for (const std::size_t side : {0, 1}) {
    INSTAR_ASSIGN_OR_RETURN(cursor.cursors_[side], pair.disk(side).OpenCursor(first_ahead_bytes));
  }
  return cursor;
}

Result<disk::SourceExtent> PairCursor::Next(std::size_t side, std::uint64_t offset,
                                            std::uint64_t max_length) {
  const std::uint64_t size = pair_->disk(side).size_bytes();
  if (offset >= size) {
    return disk::SourceExtent{.kind = disk::SourceExtent::Kind::kZero,
                              .offset = offset,
                              .length_bytes = std::min(max_length, pair_->total_bytes() - offset)};
  }
  return cursors_[side]->Next(offset, std::min(max_length, size - offset));
}

}  // namespace instar::compare
