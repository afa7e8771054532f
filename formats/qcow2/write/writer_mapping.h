// The L1 and L2 tables of a fresh image, written in ascending order.
//
// One L2 table is in memory, the one that describes the clusters being placed; its place in the
// file is taken when it is first needed and it is written when the next one is. The L1 table is
// written in pieces in the same way. What a table never mentions is left a hole where the file
// reads as zeros.
#ifndef FORMATS_QCOW2_WRITE_WRITER_MAPPING_H_
#define FORMATS_QCOW2_WRITE_WRITER_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/write/write_batch.h"
#include "formats/qcow2/write/writer_allocator.h"

namespace instar::qcow2 {

class WriterMapping {
 public:
  // `batch` and `allocator` must outlive this.
  WriterMapping(WriteBatch& batch, WriterAllocator& allocator, unsigned cluster_bits,
                bool extended_l2);

  // Tells where the L1 table stands.
  void PlaceL1(std::uint64_t offset, std::uint64_t entries);

  // Makes the L2 table that describes virtual cluster `cluster` the one that Set acts on.
  // Tables are selected in ascending order.
  Status Select(std::uint64_t cluster);

  // Clusters from `cluster` on that the same table describes.
  [[nodiscard]] std::uint64_t ClustersLeft(std::uint64_t cluster) const {
    return l2_entries_ - cluster % l2_entries_;
  }

  // Describes virtual cluster `cluster` of the selected table. `bitmap` counts with extended L2
  // entries only.
  void Set(std::uint64_t cluster, std::uint64_t entry, SubclusterBitmap bitmap);

  // Writes what is left of both tables.
  Status Finish();

 private:
  static constexpr std::uint64_t kL1PieceEntries = 8192;

  Status WriteL2();
  Status SetL1(std::uint64_t index, std::uint64_t l2_offset);
  Status WriteL1Piece();

  WriteBatch* batch_;
  WriterAllocator* allocator_;
  std::uint64_t entry_bytes_;
  std::uint64_t l2_entries_;
  std::uint64_t l1_offset_ = 0;
  std::uint64_t l1_entries_ = 0;

  std::optional<std::uint64_t> table_;  // L1 index of the L2 table in memory
  std::uint64_t table_offset_ = 0;
  std::vector<std::byte> l2_;

  std::optional<std::uint64_t> piece_;  // number of the piece of the L1 table in memory
  std::vector<std::byte> l1_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_WRITE_WRITER_MAPPING_H_
