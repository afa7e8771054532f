// Writes one fresh sparse extent in one ascending pass.
//
// Grains are appended; a grain table is written to both of its places when the next one begins; the
// directories follow, and the header last, so that what an interrupted run leaves is no extent.
// Memory: one grain table.
#ifndef FORMATS_VMDK_SPARSE_EXTENT_WRITER_H_
#define FORMATS_VMDK_SPARSE_EXTENT_WRITER_H_

#include <cstdint>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/image_writer.h"
#include "formats/vmdk/grain_table.h"
#include "formats/vmdk/sparse_layout.h"

namespace instar::vmdk {

class SparseExtentWriter {
 public:
  SparseExtentWriter(TargetDevice& file, std::uint64_t capacity_bytes, bool zeroed_grain)
      : file_(&file),
        layout_{.capacity_bytes = capacity_bytes},
        zeroed_grain_(zeroed_grain),
        end_sector_(layout_.overhead_sectors()) {}

  Status Begin();

  // Grains for `length` bytes at `offset` of the extent, a multiple of a grain; as many as the
  // table takes. kLimit when the file is full.
  Result<Placement> Place(std::uint64_t offset, std::uint64_t length);

  // Says that they are zeros: with entries where the image may, else with grains that hold nothing.
  Status PlaceZero(std::uint64_t offset, std::uint64_t length);

  // `descriptor` fits its room; empty in an extent that has none.
  Status Finish(std::span<const char> descriptor);

 private:
  Status Select(std::uint64_t table);
  Status FlushTable();
  Status WriteDirectory(std::uint64_t directory_sector);

  TargetDevice* file_;
  SparseLayout layout_;
  bool zeroed_grain_;
  std::uint64_t end_sector_;  // where the next grain goes
  GrainTable table_;
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_SPARSE_EXTENT_WRITER_H_
