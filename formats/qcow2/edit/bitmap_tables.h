// The tables of dirty bitmaps within a change in place.
#ifndef FORMATS_QCOW2_EDIT_BITMAP_TABLES_H_
#define FORMATS_QCOW2_EDIT_BITMAP_TABLES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/error.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/structures/bitmap_directory.h"

namespace instar::qcow2 {

class BitmapTables {
 public:
  // `change` must outlive this.
  explicit BitmapTables(ImageChange& change)
      : change_(change),
        cluster_bits_(change.old_header().cluster_bits),
        cluster_bytes_(change.old_header().cluster_bytes()) {}

  // The clusters in which `bytes` bytes (at least 1) at host offset `offset` lie.
  [[nodiscard]] ClusterRun Clusters(std::uint64_t offset, std::uint64_t bytes) const {
    const std::uint64_t first = offset >> cluster_bits_;
    return {first, DivideRoundUp(offset % cluster_bytes_ + bytes, cluster_bytes_)};
  }
  [[nodiscard]] ClusterRun TableClusters(const BitmapEntry& entry) const {
    return Clusters(entry.table_offset, entry.table_entries * kTableEntryBytes);
  }

  // The entries of the table of `entry`. kIo.
  Result<std::vector<std::uint64_t>> Read(const BitmapEntry& entry) const;
  // Writes a table to a place of its own, and has `entry` lead there. Errors as ImageChange::Take.
  Status Write(BitmapEntry& entry, std::span<const std::uint64_t> table);
  // Writes `bytes` to a place of their own; the offset.
  Result<std::uint64_t> Store(std::span<const std::byte> bytes);

 private:
  ImageChange& change_;
  const unsigned cluster_bits_;
  const std::uint64_t cluster_bytes_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_BITMAP_TABLES_H_
