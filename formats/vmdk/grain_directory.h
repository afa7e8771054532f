// A grain directory of a sparse extent, and the grain tables that it names, as they are gone
// through: a piece of the directory and one of the tables are held, whatever the extent claims.
// Tables that follow one another in the file, as everybody writes them, are read together.
#ifndef FORMATS_VMDK_GRAIN_DIRECTORY_H_
#define FORMATS_VMDK_GRAIN_DIRECTORY_H_

#include <cstdint>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/read_window.h"
#include "formats/vmdk/sparse_header.h"

namespace instar::vmdk {

class GrainDirectory {
 public:
  // The directory at `sector`, one of the two that `header` names. `device` must outlive this.
  GrainDirectory(const BlockDevice& device, const SparseHeader& header, std::uint64_t sector);

  // Entry `index` and those behind it that are held with it. Valid until the next call. kIo.
  Result<std::span<const std::byte>> Entries(std::uint64_t index);

  // The grain table at `sector`, which entry `index` names and the file holds. Valid until the next
  // call. kIo.
  Result<std::span<const std::byte>> Table(std::uint64_t index, std::uint64_t sector);

 private:
  std::uint64_t offset_;  // in the file
  std::uint64_t bytes_;
  std::uint64_t table_bytes_;
  ReadWindow directory_;
  ReadWindow tables_;
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_GRAIN_DIRECTORY_H_
