// Walks the grain directory and the grain tables of one sparse extent.
//
// Runs are followed across grain tables and unallocated directory entries.
#ifndef FORMATS_VMDK_SPARSE_CURSOR_H_
#define FORMATS_VMDK_SPARSE_CURSOR_H_

#include <cstdint>
#include <span>

#include "formats/base/image_reader.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/vmdk/grain_directory.h"
#include "formats/vmdk/sparse_header.h"

namespace instar::vmdk {

class SparseCursor {
 public:
  // `header` was read from `device` and is not empty. `length_bytes`, at most the capacity, is how
  // much of the extent the disk shows; `allowance` is what its tables may take.
  SparseCursor(const BlockDevice& device, const SparseHeader& header, std::uint64_t length_bytes,
               const TableAllowance& allowance = {});

  // As MapCursor::Next; offsets, unit_offset included, count from the start of the extent.
  Result<Extent> Next(std::uint64_t offset, std::uint64_t max_length);

 private:
  // Entries of a grain table from some grain on, to the end of what was read; empty where no table
  // is allocated for `unallocated_bytes` from there on.
  struct Entries {
    std::span<const std::byte> bytes = {};
    std::uint64_t unallocated_bytes = 0;
  };
  Result<Entries> Find(std::uint64_t offset);
  // Lengthens `extent` by what `entries` say from `offset` on. False: the extent ends there.
  Result<bool> Extend(Extent& extent, std::uint64_t offset, std::span<const std::byte> entries);
  Result<Extent> CompressedExtent(std::uint64_t offset, std::span<const std::byte> entries) const;

  const BlockDevice* device_;
  SparseHeader header_;
  std::uint64_t length_bytes_;
  GrainDirectory directory_;
  TableReuseLimit meter_;
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_SPARSE_CURSOR_H_
