// Maps a VMDK disk: finds the extent an offset lies in and asks it.
#ifndef FORMATS_VMDK_MAP_CURSOR_H_
#define FORMATS_VMDK_MAP_CURSOR_H_

#include <cstdint>
#include <optional>
#include <span>

#include "formats/base/image_reader.h"
#include "formats/base/run_cache.h"
#include "formats/vmdk/disk_extent.h"
#include "formats/vmdk/sparse_cursor.h"

namespace instar::vmdk {

// The index of the extent that holds virtual byte `offset`, which lies on the disk.
[[nodiscard]] std::size_t ExtentAt(std::span<const DiskExtent> extents, std::uint64_t offset);

class Cursor final : public MapCursor {
 public:
  // The extents are in order, have no gaps and outlive the cursor.
  Cursor(const BlockDevice& image, std::span<const DiskExtent> extents)
      : image_(&image), extents_(extents) {}

  Result<Extent> Next(std::uint64_t offset, std::uint64_t max_length) override;

 private:
  Result<Extent> NextOf(const DiskExtent& extent, std::uint64_t offset, std::uint64_t max_length);

  const BlockDevice* image_;
  RunCache runs_;  // of flat extents
  std::span<const DiskExtent> extents_;
  // Of one extent at a time, so that memory does not grow with their number.
  std::optional<SparseCursor> sparse_;
  const DiskExtent* sparse_of_ = nullptr;
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_MAP_CURSOR_H_
