// Writes what follows one another to clusters that were taken within a change in place, in pieces
// of whole clusters: for tables that are too long to be held.
// tests/unit/formats/qcow2/{bitmaps,snapshots}_test.cc cover this file.
#ifndef FORMATS_QCOW2_EDIT_CLUSTER_STREAM_H_
#define FORMATS_QCOW2_EDIT_CLUSTER_STREAM_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/edit/image_change.h"

namespace instar::qcow2 {

class ClusterStream {
 public:
  static constexpr std::size_t kPieceBytes = std::size_t{1} << 20;  // or a cluster

  // From host offset `offset` on, where a taken cluster begins. `change` must outlive this.
  ClusterStream(ImageChange& change, std::uint64_t offset)
      : change_(change),
        offset_(offset),
        piece_bytes_(std::max<std::size_t>(change.old_header().cluster_bytes(), kPieceBytes)) {}

  // Errors as ImageChange::Write.
  Status Append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const std::size_t count = std::min(bytes.size(), piece_bytes_ - pending_.size());
      pending_.insert(pending_.end(), bytes.begin(),
                      bytes.begin() + static_cast<std::ptrdiff_t>(count));
      bytes = bytes.subspan(count);
      if (pending_.size() == piece_bytes_) INSTAR_TRY(Finish());
    }
    return {};
  }
  // Writes what is left.
  Status Finish() {
    if (pending_.empty()) return {};
    INSTAR_TRY(change_.Write(offset_, pending_));
    offset_ += pending_.size();
    pending_.clear();
    return {};
  }
  // Where the next byte goes.
  [[nodiscard]] std::uint64_t end() const { return offset_ + pending_.size(); }

 private:
  ImageChange& change_;
  std::uint64_t offset_;
  const std::size_t piece_bytes_;
  std::vector<std::byte> pending_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_CLUSTER_STREAM_H_
